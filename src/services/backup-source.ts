/** A store as a backup sees it: rows, at one moment or as they change, and where their bytes are. */
import type { MediaReferences } from '../catalog/media-references.ts'
import type { ObjectKey } from '../domain/objects.ts'
import type { ObjectSurvey } from '../storage/object-survey.ts'

export interface StoreView {
  readonly references: MediaReferences
  /** Sees rows as they are in this view, but files as they are now. */
  readonly survey: Pick<ObjectSurvey, 'find' | 'digest'>
}

export interface BackupSource {
  readonly dir: string
  readonly storeId: string
  readonly now: StoreView
  readonly moment: StoreView & {
    /** From now on this view stands still. */
    hold(): void
    /** Harmless when nothing is held. */
    letGo(): void
    /** Writes the database of the moment that is held to a new file. */
    copyTo(file: string): Promise<void>
  }
  /** The file of an object. */
  readonly pathOf: (key: ObjectKey) => string
}
