#!/usr/bin/env node
/**
 * The command line: one file per command, this one lists them and words every failure.
 *
 * Exit status: 0 done, 1 failed (one line on standard error says why and what next), 2 wrong usage, 3 another process has the
 * staking key or the data directory: starting again does not mend that. 130 at a second signal.
 */
import './engine.ts'
import { readFileSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { dirname, join } from 'node:path'
import { Command, CommanderError } from 'commander'
import envPaths from 'env-paths'
import { calledAs, callIt, commandName } from '../command/index.ts'
import { diskAdvice, diskFault } from '../disk/faults.ts'
import { complain, complainStack, sayLines } from '../observe/output.ts'
import { guardOutput, watchParent } from '../observe/process.ts'
import { fitHelp } from './help.ts'
import { readSharedSettings, shareSettings } from './settings.ts'

// what Node compiled and stripped of types once is read the next time: half of the time of a start. In the user's own cache folder,
// not in the one for everybody that is Node's default; where it cannot be written, nothing is lost
enableCompileCache(join(envPaths('koii-mesh', { suffix: '' }).cache, 'compiled'))

// the same two folders up from src/cli and from dist/cli
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

/** Loaded when asked for: libp2p and the VM together cost each start two seconds, and most commands need neither or one. */
const COMMANDS: Record<string, () => Promise<Command>> = {
  testnet: async () => (await import('./testnet.ts')).testnetCommand(),
  start: async () => (await import('./start.ts')).startCommand(),
  signer: async () => (await import('./signer.ts')).signerCommand(),
  status: async () => (await import('./status.ts')).statusCommand(),
  events: async () => (await import('./events.ts')).eventsCommand(),
  keygen: async () => (await import('./keygen.ts')).keygenCommand(),
  stake: async () => (await import('./stake.ts')).stakeCommand(),
  unstake: async () => (await import('./unstake.ts')).unstakeCommand(),
  withdraw: async () => (await import('./withdraw.ts')).withdrawCommand(),
  'replace-key': async () => (await import('./replace-key.ts')).replaceKeyCommand(),
  hint: async () => (await import('./hint.ts')).hintCommand(),
  claim: async () => (await import('./claim.ts')).claimCommand(),
  slash: async () => (await import('./slash.ts')).slashCommand(),
  task: async () => (await import('./task.ts')).taskCommand(),
  proof: async () => (await import('./proof.ts')).proofCommand(),
  k2: async () => (await import('./k2.ts')).k2Command()
}

/** What these say is wrong was wrong on the command line, in the environment or in the configuration file. */
const USAGE_ERRORS = new Set([
  'UsageError',
  'ConfigError',
  'FaultError',
  'RoundTooShortError',
  'AddressError',
  'K2ArgumentError',
  'ParamsDifferError',
  'UnfitTaskError',
  'SignerSocketError'
])

/** Somebody else has it: starting again does not mend that. */
const IN_USE_ERRORS = new Set(['KeyInUseError', 'DataDirInUseError', 'DataDirLockedError'])

/** What the system says bare of its disk, with what to do. */
function worded(error: Error & { path?: unknown; syscall?: unknown }): string {
  const place = typeof error.path === 'string' ? dirname(error.path) : undefined
  const fault = error.syscall == null ? undefined : diskFault(error, place)
  return fault == null ? error.message : diskAdvice(fault, place ?? 'this machine')
}

guardOutput()
watchParent()

callIt(commandName({ env: process.env, file: import.meta.filename, cwd: process.cwd() }))

const program = new Command(calledAs())
  .description('A peer-to-peer node for Koii tasks: gossip, audits and proofs between nodes, final votes on K2.')
  .version(version)
  // an option after the name of a command is that command's, even where the one above it has one of the same name
  .enablePositionalOptions()

try {
  readSharedSettings(process.argv, process.env)
} catch (err) {
  await fail(err)
}
const wanted = process.argv[2] ?? ''
for (const name of Object.hasOwn(COMMANDS, wanted) ? [wanted] : Object.keys(COMMANDS)) {
  program.addCommand(await COMMANDS[name]!())
}
// a command made on its own does not inherit these
const inherit = (command: Command, path: string) => {
  // of 80 columns 28 are enough for what an option does
  command
    .exitOverride()
    .configureHelp({ minWidthToWrap: 28 })
    .configureOutput({
      writeOut: (text) => sayLines([{ lines: fitHelp(text, process.stdout.columns || 80).replace(/\n$/, '') }]),
      // commander's error may have a suggestion in a second line; ours is one line that also says where help is
      outputError: (text) => {
        const line = text
          .replace(/^error: /, '')
          .trim()
          .replaceAll('\n', ' ')
        complain(`${line} (${path} --help shows every option and an example)`)
      }
    })
  shareSettings(command)
  for (const sub of command.commands) {
    inherit(sub, `${path} ${sub.name()}`)
  }
}
inherit(program, calledAs())

// a wait whose timer does not count (AbortSignal.timeout) must not end the process before it ends itself
const alive = setInterval(() => {}, 2 ** 30)
try {
  await program.parseAsync(process.argv)
} catch (err) {
  await fail(err)
} finally {
  clearInterval(alive)
}

async function fail(err: unknown): Promise<never> {
  if (err instanceof CommanderError) {
    process.exitCode = err.exitCode === 0 ? 0 : 2
  } else {
    const error = err instanceof Error ? err : new Error(String(err))
    // one line, whatever K2 or a peer put into it
    complain(worded(error))
    if (process.env.KOII_MESH_DEBUG != null) {
      complainStack(error)
    }
    process.exitCode = USAGE_ERRORS.has(error.name) ? 2 : IN_USE_ERRORS.has(error.name) ? 3 : 1
  }
  // what standard output has to say about it comes a moment later
  await new Promise((resolve) => setImmediate(resolve))
  // what a failed command left running (a socket, a timer) must not keep its process alive
  process.exit()
}
