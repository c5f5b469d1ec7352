/** Every trial, in the order in which they are held and shown. */
import type { Trial } from './trial.ts'
import { catalogTrials } from './trials/catalog.ts'
import { costTrials } from './trials/costs.ts'
import { cycleTrials } from './trials/cycles.ts'
import { downloadTrials } from './trials/downloads.ts'
import { pictureTrials } from './trials/pictures.ts'
import { processTrials } from './trials/process.ts'
import { uploadTrials } from './trials/uploads.ts'

export const trials: readonly Trial[] = [
  ...uploadTrials,
  ...cycleTrials,
  ...pictureTrials,
  ...downloadTrials,
  ...catalogTrials,
  ...processTrials,
  ...costTrials,
]
