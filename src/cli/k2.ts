import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Command } from 'commander'
import { createLocalK2, createTraffic } from '../k2/local/index.ts'
import { PROGRAM_ID } from '../k2/settlement/index.ts'
import { answer, example, untilStopped, whole, withJson } from './common.ts'

/** The settlement program as the repo builds it. */
export const SETTLEMENT_SO = new URL('../../protocols/settlement/settlement.so', import.meta.url)

interface K2Options {
  port: number
  host: string
  slotMs: number
  dataDir?: string
  traffic: number
  json?: boolean
}

export function k2Command(): Command {
  return withJson(new Command('k2'))
    .description('run a local K2: the real Solana VM behind the JSON-RPC and WebSocket of a Solana node, with the settlement program')
    .option('--port <port>', 'HTTP port; the WebSocket is on the next one', whole(0, 65_534), 8899)
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--slot-ms <ms>', 'length of a slot', whole(10, 60_000), 400)
    .option('--data-dir <dir>', 'keep the chain in this folder; without it the chain ends with the process')
    .option('--traffic <n>', 'seeded transfers in each slot, so that there is something to index', whole(0, 1000), 0)
    .addHelpText('after', example('koii-mesh k2 --port 8899 --slot-ms 400 --data-dir ./k2'))
    .action(async ({ port, host, slotMs, dataDir, traffic, json }: K2Options) => {
      const stream = traffic === 0 ? null : createTraffic({ seed: 'koii-mesh k2', transfersPerSlot: traffic })
      const k2 = await createLocalK2({
        port,
        host,
        slotMs,
        ...(dataDir == null ? {} : { dataDir: resolve(dataDir) }),
        genesis: {
          programs: [{ programId: PROGRAM_ID, bytes: await readFile(SETTLEMENT_SO) }],
          ...(stream == null ? {} : { funded: stream.funded })
        }
      })
      stream?.follow(k2)
      const stopped = untilStopped()
      await k2.start()
      answer(json, { event: 'listening', url: k2.url, wsUrl: k2.wsUrl, slot: k2.slot(), program: PROGRAM_ID }, [
        `K2 listens on ${k2.url} (WebSocket ${k2.wsUrl}), slot ${k2.slot()}`,
        `settlement program ${PROGRAM_ID}`,
        dataDir == null ? 'The chain is in memory: give --data-dir to keep it.' : `The chain is kept in ${dataDir}.`,
        'Ctrl+C stops it.'
      ])
      await stopped
      await k2.stop()
    })
}
