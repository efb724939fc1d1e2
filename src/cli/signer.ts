import { resolve } from 'node:path'
import { Command } from 'commander'
import { commandLine } from '../command/index.ts'
import { amountOf } from '../config/index.ts'
import { createDiskWatch } from '../disk/index.ts'
import { lockKeyFile, readKeyFile } from '../identity/index.ts'
import { PROGRAM_ID } from '../k2/settlement/index.ts'
import { sayJson, sayLines, toLine } from '../observe/index.ts'
import { complain } from '../observe/output.ts'
import { onOutputLost, untilStopped } from '../observe/process.ts'
import { serveSigner } from '../signer/index.ts'
import { openStore } from '../store/index.ts'
import { addressOf, example, withJson } from './common.ts'

interface SignerOptions {
  key: string
  dataDir: string
  socket: string
  maxFee: string
  program: string
  json?: boolean
}

export function signerCommand(): Command {
  return withJson(new Command('signer'))
    .description(
      'hold a staking key in a process of its own: it signs for one node in each task, over a Unix socket, and nothing that contradicts'
    )
    .requiredOption('--key <file>', 'the staking key, which no other process then has to read')
    .requiredOption('--data-dir <dir>', 'where the signer keeps its log of what it signed: not that of the node')
    .requiredOption('--socket <path>', 'where it listens: in a folder that this user alone may enter')
    .option('--max-fee <koii>', 'what a vote, batch or slash may bid K2 on top of its signatures, at the most', '0.00005')
    .option('--program <address>', 'the settlement program, if not the usual one', PROGRAM_ID)
    .addHelpText('after', example('koii-mesh signer --key ./alice.json --data-dir ./alice-signer --socket ./alice-signer/socket'))
    .action(runSigner)
}

async function runSigner(options: SignerOptions): Promise<void> {
  const { key, json } = options
  const dataDir = resolve(options.dataDir)
  const path = resolve(options.socket)
  const programId = addressOf(options.program, '--program')
  const maxFeeRoe = amountOf(options.maxFee, '--max-fee')
  // what it makes is for this user alone, the socket from its first instant on
  process.umask(0o077)
  const stopped = untilStopped()
  // what it signs is what it is for, not what it says
  onOutputLost(() => {})
  const say = (event: string, detail: Record<string, unknown>, text: string | null) => {
    if (json === true) {
      sayJson(toLine({ event, time: new Date().toISOString(), ...detail }))
    } else if (text != null) {
      sayLines([text])
    }
  }
  const keyPair = await readKeyFile(key)
  const watch = createDiskWatch({ dir: dataDir })
  watch.onTrouble(({ advice }) => complain(`${advice}. The signer goes on as far as it can, and tries again by itself`))
  watch.onOver(() => complain('the disk takes what is written again'))
  const closing: Array<() => void | Promise<void>> = [watch.stop]
  try {
    const lock = lockKeyFile(key, { dataDir, task: 'any, as a signer' })
    closing.unshift(lock.release)
    if (lock.unlocked != null) {
      complain(`the staking key could not be locked (${lock.unlocked}): see that no node of this machine has it`)
    }
    const store = openStore({ dir: dataDir, watch })
    closing.unshift(store.close)
    const serving = await serveSigner({
      path,
      keyPair,
      store,
      programId,
      maxFeeRoe,
      onEvent: (event, detail) => say(event, detail, sentence(event, detail))
    })
    closing.unshift(serving.stop)
    say('listening', { socket: path, staker: keyPair.address, dataDir }, null)
    if (json !== true) {
      sayLines([
        `signer of staker ${keyPair.address}, listening on ${path}, its log in ${dataDir}`,
        `run its node with ${commandLine(['start'], { signer: path })} and what else it needs. Ctrl+C stops it.`
      ])
    }
    await stopped
  } finally {
    for (const close of closing) {
      await close()
    }
  }
}

function sentence(event: string, { task, state, reason, error }: Record<string, unknown>): string | null {
  switch (event) {
    case 'node':
      return `a node has come for the task ${task}`
    case 'node-left':
      return `the node of the task ${task} has gone`
    case 'standing':
      return state === 'signs'
        ? `the node of the task ${task} may sign`
        : state === 'halted'
          ? `nothing is signed any more for the task ${task}: ${reason}`
          : `nothing new is signed for now for the task ${task}: ${reason}`
    case 'refused':
      return `refused (${error}): ${reason}`
    default:
      return null
  }
}
