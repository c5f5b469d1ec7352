/**
 * The command line. Each command returns its exit code: 0 fine, 1 found a problem, 2 wrong usage or configuration.
 * Those that need a whole server load it themselves; the others answer in a third of the time without it.
 */
import { Command, CommanderError, Option } from 'commander'
import { ConfigError } from '../config/parse-config.ts'
import { StartError } from '../start/start-error.ts'
import { DataDirectoryError } from '../storage/data-directory.ts'
import { KeyFileError } from '../tokens/key-files.ts'
import { checkConfig } from './check-config.ts'
import { listKeysCommand, rotateKeysCommand } from './keys.ts'

export interface Surroundings {
  /** The directory `assets/`, which lies beside `src/` and `dist/` alike. */
  readonly assets: URL
}

/** @param argv as in `process.argv` @returns the exit code; never throws for a mistake of the operator */
export async function runCommandLine(argv: readonly string[], { assets }: Surroundings): Promise<number> {
  let exitCode = 0
  const program = new Command('sluice')
    .description('A self-hosted media upload gateway for Matrix')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
  const configOption = new Option('--config <file>', 'YAML file; without it, defaults and SLUICE_… variables')

  program
    .command('serve')
    .description('open the API and the edge listener')
    .addOption(configOption)
    .addOption(new Option('--only <listener>', 'open one listener only').choices(['api', 'edge']))
    .option('--init', 'make the store when the data directory is missing or empty')
    .action(async options => {
      const { serve } = await import('./serve.ts')
      exitCode = await serve({ ...options, assets, program: argv[1] ?? '' })
    })

  program.command('edge-worker', { hidden: true }).action(async () => {
    const { edgeWorker } = await import('./edge-worker.ts')
    exitCode = await edgeWorker()
  })

  program
    .command('demo')
    .description('walk a photograph through a server of its own, and show each step')
    .action(async () => {
      const { demo } = await import('./demo.ts')
      exitCode = await demo({ assets })
    })

  program
    .command('check-config')
    .description('read the configuration, list every problem, start nothing')
    .addOption(configOption)
    .action(options => {
      exitCode = checkConfig(options)
    })

  program
    .command('fsck')
    .description('look for rows without bytes, bytes without rows, and what else does not fit')
    .addOption(configOption)
    .option('--deep', 'read every byte and compare it with its digest; check the database too')
    .option('--repair', 'move what no row wants to lost+found/; the server must be stopped')
    .option('--min-age <duration>', 'with --repair: leave alone what is younger', '1h')
    .option('--force', 'with --repair: also when much of the store would be moved')
    .option('--json', 'one JSON object a line for each finding, and a summary')
    .action(async options => {
      const { fsck } = await import('./fsck.ts')
      exitCode = await fsck(options)
    })

  program
    .command('backup')
    .description('copy the store, also while it is served; what is there from earlier backups is not copied again')
    .argument('<dir>', 'a directory for backups of this store only')
    .addOption(configOption)
    .option('--verify', 'read every object of the backup, and replace what has gone bad')
    .option('--copy', 'always copy; otherwise files are cloned or linked where both are on one file system')
    .option('--keep <count>', 'how many backups stay', '7')
    .option('--json', 'one JSON object instead of sentences')
    .action(async (dir, options) => {
      const { backup } = await import('./backup.ts')
      exitCode = await backup(dir, options)
    })

  program
    .command('restore')
    .description('make an empty data directory the store that was backed up')
    .argument('<dir>', 'the directory of the backups')
    .addOption(configOption)
    .option('--backup <name>', 'another one than the last')
    .option('--accept-loss', 'also when some objects are missing or damaged')
    .action(async (dir, options) => {
      const { restore } = await import('./restore.ts')
      exitCode = await restore(dir, options)
    })

  const keys = program.command('keys').description('the keys that sign upload and download URLs')
  keys
    .command('list')
    .description('show each key and until when it is accepted')
    .addOption(configOption)
    .action(async options => {
      exitCode = await listKeysCommand(options)
    })
  keys
    .command('rotate')
    .description('sign with a new key from now on; URLs signed before stay valid to their end')
    .addOption(configOption)
    .action(async options => {
      exitCode = await rotateKeysCommand(options)
    })

  try {
    await program.parseAsync(argv)
    return exitCode
  } catch (error) {
    return explain(error)
  }
}

/** Mistakes of the operator in plain words; anything else is a defect, and keeps its stack. */
function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof ConfigError) {
    console.error('sluice: the configuration has problems:')
    for (const { path, message } of error.problems) console.error(`  ${path}: ${message}`)
    return 2
  }
  if (error instanceof DataDirectoryError || error instanceof KeyFileError || error instanceof StartError) {
    console.error(`sluice: ${error.message}`)
    return 2
  }
  if (isListenFailure(error)) {
    console.error(`sluice: a listener can not be opened: ${error.message}`)
    return 2
  }
  console.error(error)
  return 1
}

/** The address is taken, or is none of this machine, or has a name that does not exist. */
function isListenFailure(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error && ['listen', 'getaddrinfo'].includes(String(error.syscall))
}
