/** What a trial is made of. */
import type { Goal } from './goal.ts'
import { type CompleteSettings, complete } from './kinds/complete.ts'
import { type CrowdSettings, crowd } from './kinds/crowd.ts'
import { type CycleSettings, cycles } from './kinds/cycles.ts'
import { type DownloadSettings, download } from './kinds/download.ts'
import { type IndexGrowthSettings, indexGrowth } from './kinds/index-growth.ts'
import { type MixedSettings, mixed } from './kinds/mixed.ts'
import { type PutSettings, put } from './kinds/put.ts'
import { type SlowUploadSettings, slowUploads } from './kinds/slow-uploads.ts'
import { type StartUpSettings, startUp } from './kinds/start-up.ts'
import { type SweepSettings, sweep } from './kinds/sweep.ts'
import { type SyscallSettings, syscalls } from './kinds/syscalls.ts'
import { type ThumbnailSettings, thumbnails } from './kinds/thumbnails.ts'

export const kinds = {
  put,
  cycles,
  thumbnails,
  complete,
  crowd,
  download,
  indexGrowth,
  sweep,
  slowUploads,
  startUp,
  syscalls,
  mixed,
} as const

interface SettingsOf {
  readonly put: PutSettings
  readonly cycles: CycleSettings
  readonly thumbnails: ThumbnailSettings
  readonly complete: CompleteSettings
  readonly crowd: CrowdSettings
  readonly download: DownloadSettings
  readonly indexGrowth: IndexGrowthSettings
  readonly sweep: SweepSettings
  readonly slowUploads: SlowUploadSettings
  readonly startUp: StartUpSettings
  readonly syscalls: SyscallSettings
  readonly mixed: MixedSettings
}

type TrialOf<K extends keyof SettingsOf> = {
  readonly name: string
  readonly title: string
  readonly kind: K
  readonly settings: SettingsOf[K]
  readonly goals: readonly Goal[]
  /** 5 unless said otherwise; fewer for those that take long or count what hardly varies. */
  readonly rounds?: number
}

export type Trial = { [K in keyof SettingsOf]: TrialOf<K> }[keyof SettingsOf]
