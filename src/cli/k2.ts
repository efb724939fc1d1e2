import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Command } from 'commander'
import { koiiToRoe } from '../config/koii.ts'
import { loopbackHost } from '../config/loopback.ts'
import { PROGRAM_ID } from '../k2/settlement/program-id.ts'
import { createLocalK2, createTraffic, type LocalK2Log, type Pace, resetDataDir } from '../local-k2/index.ts'
import { complain } from '../observe/output.ts'
import { onOutputLost, untilStopped } from '../observe/process.ts'
import { addressOf, answer, collect, example, paceOption, SETTLEMENT_SO, UsageError, whole, withJson } from './common.ts'
import { type GenesisOptions, genesisAccounts, withGenesis } from './k2-genesis.ts'
import { deployCommand, verifyCommand } from './k2-program.ts'

/** Half a century of slots. */
const MAX_SLOT = 2 ** 32

interface K2Options extends GenesisOptions {
  port: number
  host: string
  slotMs: number
  pace: Pace
  dataDir?: string
  reset?: boolean
  warp?: number
  fund?: string[]
  traffic: number
  keepSlots: number
  keepTransactions: number
  json?: boolean
}

export { SETTLEMENT_SO }

export function k2Command(): Command {
  return withGenesis(
    withJson(new Command('k2'))
      // what follows deploy or verify is theirs: --json is an option of all three
      .enablePositionalOptions()
      .addCommand(deployCommand())
      .addCommand(verifyCommand())
      .description('run a local K2: the real Solana VM behind the JSON-RPC and WebSocket of a Solana node, with the settlement program')
      .option('--port <port>', 'HTTP port; the WebSocket is on the next one', whole(0, 65_534), 8899)
      .option('--host <address>', 'address to listen on', loopbackHost())
      .option('--slot-ms <ms>', 'length of a slot', whole(10, 60_000), 400)
      .addOption(paceOption('strict'))
      .option('--data-dir <dir>', 'keep the chain in this folder; without it the chain ends with the process')
      .option('--reset', 'throw the chain in --data-dir away, whatever version wrote it, and begin a new one')
      .option('--warp <slot>', 'jump forward to this slot; the slots between count as skipped', whole(1, MAX_SLOT))
      .option('--fund <address=koii>', 'bring an account to at least so much, from the faucet; may be given several times', collect)
      .option('--traffic <n>', 'seeded transfers in each slot, so that there is something to index', whole(0, 1000), 0)
      .option('--keep-slots <n>', 'blocks that are kept; older ones go, balances stay', whole(300, 10_000_000), 50_000)
      .option('--keep-transactions <n>', 'transactions that are kept; the blocks of older ones go sooner', whole(0, 10_000_000), 50_000)
      .addHelpText(
        'after',
        example(
          'koii-mesh k2 --port 8899 --slot-ms 400 --data-dir ./k2',
          'koii-mesh k2 --slot-ms 100 --pace auto   (for nodes of your own on a machine that may be busy)',
          'koii-mesh k2 --data-dir ./k2 --reset --warp 1000 --fund 9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin=2.5'
        )
      )
      .action(async (options: K2Options) => {
        const { port, host, slotMs, pace, traffic, keepSlots, keepTransactions, json } = options
        const funds = fundsOf(options.fund ?? [])
        const dataDir = options.dataDir == null ? undefined : resolve(options.dataDir)
        if (options.reset === true && dataDir == null) {
          throw new UsageError('--reset needs --data-dir, the folder whose chain is thrown away: without one every chain is new')
        }
        const bytes = await readFile(SETTLEMENT_SO)
        const stream = traffic === 0 ? null : createTraffic({ seed: 'koii-mesh k2', transfersPerSlot: traffic })
        const accounts = await genesisAccounts(options, { dataDir, reset: options.reset === true })
        if (options.reset === true) {
          resetDataDir(dataDir!)
        }
        const k2 = await createLocalK2({
          port,
          host,
          slotMs,
          pace,
          keepSlots,
          keepTransactions,
          log: operatorLog(),
          ...(dataDir == null ? {} : { dataDir }),
          genesis: {
            programs: [{ programId: PROGRAM_ID, bytes }],
            accounts,
            ...(stream == null ? {} : { funded: stream.funded })
          }
        })
        const { warp } = options
        if (warp != null && warp < k2.slot()) {
          throw new UsageError(
            `--warp ${warp} would go back: the chain is at slot ${k2.slot()} already; give a later slot, or --reset to begin anew`
          )
        }
        k2.fund(funds)
        if (warp != null && warp > k2.slot()) {
          k2.warpTo(warp)
        }
        stream?.follow(k2)
        const stopped = untilStopped()
        // the chain is what it is for, not what it says
        onOutputLost(() => {})
        await k2.start()
        answer(json, { event: 'listening', url: k2.url, wsUrl: k2.wsUrl, slot: k2.slot(), program: PROGRAM_ID, slotMs, pace }, [
          `K2 listens on ${k2.url} (WebSocket ${k2.wsUrl}), slot ${k2.slot()}`,
          pace === 'auto'
            ? `a slot takes ${slotMs} ms, or longer: it waits until every node that follows it has done what is due`
            : `a slot takes ${slotMs} ms`,
          `settlement program ${PROGRAM_ID}`,
          ...(accounts.length === 0 ? [] : [`${accounts.length} accounts were given to the new chain`]),
          options.dataDir == null ? 'The chain is in memory: give --data-dir to keep it.' : `The chain is kept in ${options.dataDir}.`,
          'Ctrl+C stops it.'
        ])
        await stopped
        const facts = k2.pace()
        if (facts != null) {
          answer(json, { event: 'pace', slotMs: facts }, [
            `slots took ${Math.round(facts.median)} ms (${slotMs} asked), the longest ${Math.round(facts.longest)}`
          ])
        }
        await k2.stop()
      })
  )
}

/** What the operator should know, one line each on standard error. */
function operatorLog(): LocalK2Log {
  const say = (_facts: object, text: string) => complain(text)
  return { debug: () => {}, info: () => {}, warn: say, error: say }
}

/** "ADDRESS=KOII" each. @throws UsageError */
function fundsOf(given: readonly string[]): Array<{ address: string; lamports: bigint }> {
  const funds = new Map<string, bigint>()
  for (const text of given) {
    const [address, koii, ...more] = text.split('=')
    if (address === undefined || koii === undefined || more.length > 0) {
      throw new UsageError(`--fund "${text}" is not ADDRESS=KOII, such as 9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin=2.5`)
    }
    if (funds.has(addressOf(address, `--fund "${text}"`))) {
      throw new UsageError(`--fund gives ${address} twice: give it once, with the amount that it should have`)
    }
    try {
      funds.set(address, koiiToRoe(koii))
    } catch (err) {
      throw new UsageError(`--fund "${text}": ${(err as Error).message}`)
    }
  }
  return [...funds].map(([address, lamports]) => ({ address, lamports }))
}
