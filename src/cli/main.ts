#!/usr/bin/env node
/**
 * The command line: one file per command, this one lists them and words every failure.
 *
 * Exit status: 0 done, 1 failed (one line on standard error says why and what next), 2 wrong usage.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { claimCommand } from './claim.ts'
import { k2Command } from './k2.ts'
import { keygenCommand } from './keygen.ts'
import { proofCommand } from './proof.ts'
import { stakeCommand } from './stake.ts'
import { startCommand } from './start.ts'
import { statusCommand } from './status.ts'
import { taskCommand } from './task.ts'
import { testnetCommand } from './testnet.ts'

// the same two folders up from src/cli and from dist/cli
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

const program = new Command('koii-mesh')
  .description('A peer-to-peer node for Koii tasks: gossip, audits and proofs between nodes, final votes on K2.')
  .version(version)
  .showHelpAfterError('(koii-mesh COMMAND --help shows every option and an example)')
  .exitOverride()

for (const command of [
  testnetCommand(),
  startCommand(),
  statusCommand(),
  keygenCommand(),
  stakeCommand(),
  claimCommand(),
  taskCommand(),
  proofCommand(),
  k2Command()
]) {
  program.addCommand(command)
}
// a command made on its own does not inherit these
const inherit = (command: Command) => {
  for (const sub of command.commands) {
    sub.exitOverride().showHelpAfterError('(add --help for every option and an example)')
    inherit(sub)
  }
}
inherit(program)

try {
  await program.parseAsync(process.argv)
} catch (err) {
  if (err instanceof CommanderError) {
    process.exitCode = err.exitCode === 0 ? 0 : 2
  } else {
    const error = err instanceof Error ? err : new Error(String(err))
    process.stderr.write(`koii-mesh: ${error.message}\n`)
    if (process.env.KOII_MESH_DEBUG != null) {
      process.stderr.write(`${error.stack}\n`)
    }
    process.exitCode = 1
  }
  // what a failed command left running (a socket, a timer) must not keep its process alive
  process.exit()
}
