/**
 * The local K2 under load: signed transfers over HTTP at a steady pace, half of them confirmed by a WebSocket's notification and half by
 * asking, while subscribers listen. The local K2 is a process of its own; this one sends.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import bs58 from 'bs58'
import { WebSocket } from 'ws'
import { type KeyPair, keyPairFromSeed } from '../../src/identity/index.ts'
import { signTransfer } from '../../src/local-k2/index.ts'
import { atLeast, type BenchContext, BenchError, type Result, within } from './result.ts'
import { median } from './statistics.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')
const MIB = 1024 * 1024
const ACCOUNTS = 200
/** Connections that the notifications of signatures come over. */
const CONFIRMERS = 4
/** As many clients as there are subscribers have a connection each; with fewer, a busy machine's scheduler would set the pace. */
const HTTP_CONNECTIONS = 100
const PACE_MS = 10
const POLL_MS = 200
/** How long the last transactions may take; a blockhash is dead long before. */
const DRAIN_MS = 30_000
const SAMPLES = 4

export interface LoadInit extends Pick<BenchContext, 'progress'> {
  transactions?: number
  perSecond?: number
  subscribers?: number
  slotMs?: number
  /** Of each transfer, beside what makes it differ from the others. */
  lamports?: bigint
}

interface Sample {
  confirmed: number
  rssBytes: number
  diskBytes: number
}

/** @throws BenchError when a transaction is lost or fails, or the chain does not come back after a kill */
export async function benchLoad({
  progress,
  transactions = 100_000,
  perSecond = 500,
  subscribers = 100,
  slotMs = 400,
  lamports = 0n
}: LoadInit): Promise<Result[]> {
  const dataDir = mkdtempSync(join(tmpdir(), 'koii-mesh-load-'))
  const keys = Array.from({ length: ACCOUNTS }, (_, at) => keyPairFromSeed(createHash('sha256').update(`koii-mesh load ${at}`).digest()))
  const flags = ['k2', '--port', '0', '--slot-ms', String(slotMs), '--data-dir', dataDir, '--json']
  const processes: K2Process[] = []
  const start = async (more: string[] = []) => {
    const k2 = await startK2([...flags, ...more])
    processes.push(k2)
    return k2
  }
  try {
    const k2 = await start(keys.map(({ address }) => `--fund=${address}=1000`))
    progress(`load: ${transactions} transfers at ${perSecond} a second, ${subscribers} subscribers, slots of ${slotMs} ms`)
    const run = await load(k2, { progress, keys, transactions, perSecond, subscribers, dataDir, lamports })
    await k2.kill()
    const again = await start()
    const slot = Number(await rpc(new Agent(), again.url, 'getSlot', [{ commitment: 'processed' }]))
    const counted = Number(await rpc(new Agent(), again.url, 'getTransactionCount', [{ commitment: 'confirmed' }]))
    await again.kill()
    if (counted < transactions || slot < run.lastSlot) {
      throw new BenchError(`after kill -9 the chain is at slot ${slot} with ${counted} transactions, and ${transactions} were confirmed`)
    }
    // what a start costs without a chain
    rmSync(dataDir, { recursive: true })
    const empty = await start()
    await empty.kill()
    return report(run, { transactions, perSecond, subscribers, slotMs, restartMs: again.startMs, emptyStartMs: empty.startMs })
  } finally {
    await Promise.all(processes.map((k2) => k2.kill()))
    rmSync(dataDir, { recursive: true, force: true })
  }
}

interface Run {
  seconds: number
  latenciesMs: { webSocket: number[]; http: number[] }
  slots: number
  lastSlot: number
  slotSeconds: number
  notifications: number
  cpuSeconds: number | undefined
  senderCpuSeconds: number
  samples: Sample[]
}

async function load(
  k2: K2Process,
  init: {
    progress: (text: string) => void
    keys: KeyPair[]
    transactions: number
    perSecond: number
    subscribers: number
    dataDir: string
    lamports: bigint
  }
): Promise<Run> {
  const { keys, transactions, perSecond, progress } = init
  const agent = new Agent({ keepAlive: true, maxSockets: HTTP_CONNECTIONS })
  const call = (method: string, params: unknown[]) => rpc(agent, k2.url, method, params)
  const sockets: Socket[] = []
  const open = async () => {
    const socket = await openSocket(k2.wsUrl)
    sockets.push(socket)
    return socket
  }
  let blockhash = ''
  const refresh = async () => {
    blockhash = (await call('getLatestBlockhash', [{ commitment: 'confirmed' }])).value.blockhash
  }
  const timers: NodeJS.Timeout[] = []
  try {
    let notifications = 0
    const count = () => notifications++
    for (let at = 0; at < init.subscribers; at++) {
      const socket = await open()
      socket.subscribe('slotSubscribe', [], count)
      socket.subscribe('accountSubscribe', [keys[at % keys.length]!.address, { commitment: 'confirmed', encoding: 'base64' }], count)
      if (at % 10 === 0) {
        socket.subscribe('logsSubscribe', ['all', { commitment: 'confirmed' }], count)
      }
    }
    const confirmers = await Promise.all(Array.from({ length: CONFIRMERS }, open))

    await refresh()
    const latenciesMs = { webSocket: [] as number[], http: [] as number[] }
    const asked = new Map<string, number>()
    const samples: Sample[] = []
    const sample = (confirmed: number) => {
      samples.push({ confirmed, rssBytes: rssOf(k2.pid) ?? Number.NaN, diskBytes: sizeOf(init.dataDir) })
    }
    let failure: Error | undefined
    const fail = (err: Error) => {
      failure ??= err
    }
    let confirmed = 0
    const confirm = (into: number[], sentMs: number, err: unknown) => {
      if (err != null) {
        fail(new BenchError(`a transfer failed: ${JSON.stringify(err)}`))
      }
      into.push(performance.now() - sentMs)
      confirmed++
      if (confirmed % Math.ceil(transactions / SAMPLES) === 0 || confirmed === transactions) {
        sample(confirmed)
        progress(`load: ${confirmed} confirmed`)
      }
    }
    sample(0)

    let sent = 0
    const send = async (at: number) => {
      const from = keys[at % keys.length]!
      const to = keys[(at * 7 + 1) % keys.length]!
      // an amount of its own makes each a transaction of its own
      const bytes = signTransfer({ from, to: to.publicKey, lamports: init.lamports + BigInt(at + 1), blockhash })
      const signature = bs58.encode(bytes.subarray(1, 65))
      const sentMs = performance.now()
      if (at % 2 === 0) {
        const socket = confirmers[(at / 2) % CONFIRMERS]!
        socket.subscribe('signatureSubscribe', [signature, { commitment: 'confirmed' }], ({ value }) =>
          confirm(latenciesMs.webSocket, sentMs, value.err)
        )
      } else {
        asked.set(signature, sentMs)
      }
      const answered = await call('sendTransaction', [Buffer.from(bytes).toString('base64'), { encoding: 'base64' }])
      if (answered !== signature) {
        throw new BenchError(`sendTransaction answered ${answered} for ${signature}`)
      }
    }
    const poll = async () => {
      const waiting = [...asked.keys()].slice(0, 256)
      if (waiting.length > 0) {
        const { value } = await call('getSignatureStatuses', [waiting])
        for (const [at, status] of value.entries()) {
          const signature = waiting[at]!
          if (status != null && status.confirmationStatus !== 'processed') {
            confirm(latenciesMs.http, asked.get(signature)!, status.err)
            asked.delete(signature)
          }
        }
      }
    }
    const every = (ms: number, work: () => Promise<void>) => {
      let busy = false
      timers.push(
        setInterval(() => {
          if (!busy) {
            busy = true
            work()
              .catch(fail)
              .finally(() => {
                busy = false
              })
          }
        }, ms)
      )
    }

    const slotAtStart = Number(await call('getSlot', [{ commitment: 'processed' }]))
    const cpuAtStart = cpuOf(k2.pid)
    const ownAtStart = process.cpuUsage()
    const startMs = performance.now()
    every(POLL_MS, poll)
    every(POLL_MS, refresh)
    timers.push(
      setInterval(() => {
        const due = Math.min(transactions, Math.floor(((performance.now() - startMs) / 1000) * perSecond))
        while (sent < due) {
          send(sent++).catch(fail)
        }
      }, PACE_MS)
    )
    let drainFromMs: number | undefined
    while (confirmed < transactions && failure === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      if (sent === transactions) {
        drainFromMs ??= performance.now()
        if (performance.now() - drainFromMs > DRAIN_MS) {
          throw new BenchError(`${transactions - confirmed} of ${transactions} transfers were never confirmed`)
        }
      }
    }
    if (failure !== undefined) {
      throw failure
    }
    const endMs = performance.now()
    const lastSlot = Number(await call('getSlot', [{ commitment: 'processed' }]))
    const slotSeconds = (performance.now() - startMs) / 1000
    const own = process.cpuUsage(ownAtStart)
    const [cpuAtEnd, seconds] = [cpuOf(k2.pid), (endMs - startMs) / 1000]
    return {
      seconds,
      latenciesMs,
      slots: lastSlot - slotAtStart,
      lastSlot,
      slotSeconds,
      notifications,
      cpuSeconds: cpuAtEnd === undefined || cpuAtStart === undefined ? undefined : cpuAtEnd - cpuAtStart,
      senderCpuSeconds: (own.user + own.system) / 1e6,
      samples
    }
  } finally {
    timers.map(clearInterval)
    for (const socket of sockets) {
      socket.close()
    }
    agent.destroy()
  }
}

function report(
  run: Run,
  init: { transactions: number; perSecond: number; subscribers: number; slotMs: number; restartMs: number; emptyStartMs: number }
): Result[] {
  const { transactions, perSecond, slotMs, subscribers } = init
  const all = [...run.latenciesMs.webSocket, ...run.latenciesMs.http].sort((a, b) => a - b)
  const at = (share: number) => all[Math.min(all.length - 1, Math.floor(all.length * share))]!
  const [first, last] = [run.samples[0]!, run.samples.at(-1)!]
  const half = run.samples[Math.floor(run.samples.length / 2)]!
  const mib = (bytes: number) => bytes / MIB
  const told = (of: (sample: Sample) => number) => run.samples.map((one) => `${mib(of(one)).toFixed(0)} at ${one.confirmed}`).join(', ')
  const shared = { bench: 'load' as const, transactions, subscribers, slotMs }
  const rate = transactions / run.seconds
  return [
    atLeast(perSecond * 0.97, {
      ...shared,
      name: 'transfers sent and confirmed, whole run with its last slot',
      value: rate,
      unit: 'a second',
      note: `${transactions} sent at ${perSecond} a second over HTTP with preflight, none lost, none failed; ${(run.notifications / run.seconds).toFixed(0)} notifications a second to ${subscribers} subscribers${
        run.cpuSeconds === undefined
          ? ''
          : `; the local K2 used ${(run.cpuSeconds / run.seconds).toFixed(2)} of a core, the sender ${(run.senderCpuSeconds / run.seconds).toFixed(2)}`
      }`
    }),
    {
      ...shared,
      name: 'confirmation after sending, median',
      value: median(all),
      unit: 'ms',
      note: `95% within ${at(0.95).toFixed(0)}, 99% within ${at(0.99).toFixed(0)}, longest ${all.at(-1)!.toFixed(0)} ms; by WebSocket ${median(
        run.latenciesMs.webSocket
      ).toFixed(
        0
      )}, by asking every ${POLL_MS} ms ${median(run.latenciesMs.http).toFixed(0)} ms (half a slot is waited in any case: ${slotMs / 2} ms)`
    },
    atLeast(0.99, {
      ...shared,
      name: "slots' pace kept",
      value: run.slots / ((run.slotSeconds * 1000) / slotMs),
      unit: 'of expected',
      note: `${run.slots} slots in ${run.slotSeconds.toFixed(1)} s`
    }),
    {
      ...shared,
      name: 'resident memory of the local K2 at the end',
      value: mib(last.rssBytes),
      unit: 'MiB',
      note: `${told(({ rssBytes }) => rssBytes)} transactions`,
      from: mib(first.rssBytes),
      half: mib(half.rssBytes)
    },
    {
      ...shared,
      name: 'disk of the local K2 at the end',
      value: mib(last.diskBytes),
      unit: 'MiB',
      note: `${told(({ diskBytes }) => diskBytes)} transactions`,
      from: mib(first.diskBytes),
      half: mib(half.diskBytes)
    },
    within(1000, {
      ...shared,
      name: `start after kill -9 and ${transactions} transactions, from nothing to listening`,
      value: init.restartMs,
      unit: 'ms',
      note: `an empty chain takes ${init.emptyStartMs.toFixed(0)} ms: Node and its modules`
    })
  ]
}

interface K2Process {
  pid: number
  url: string
  wsUrl: string
  /** From its start to its first answer. */
  startMs: number
  /** kill -9; resolves when it has ended. */
  kill(): Promise<void>
}

async function startK2(args: string[]): Promise<K2Process> {
  const startedMs = performance.now()
  const child: ChildProcess = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  child.stderr!.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-2000)
  })
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const kill = async () => {
    child.kill('SIGKILL')
    await closed
  }
  const line = await Promise.race([
    new Promise<string>((resolve) => createInterface({ input: child.stdout! }).once('line', resolve)),
    closed.then(() => undefined)
  ])
  if (line === undefined) {
    throw new BenchError(`the local K2 did not start: ${stderr.trim()}`)
  }
  const { url, wsUrl } = JSON.parse(line) as { url: string; wsUrl: string }
  return { pid: child.pid!, url, wsUrl, startMs: performance.now() - startedMs, kill }
}

// biome-ignore lint/suspicious/noExplicitAny: JSON as it comes
type Json = any

function rpc(agent: Agent, url: string, method: string, params: unknown[]): Promise<Json> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const sent = request(url, { method: 'POST', agent, headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const answer = JSON.parse(Buffer.concat(chunks).toString())
        if (answer.error === undefined) {
          resolve(answer.result)
        } else {
          reject(new BenchError(`${method} answered ${JSON.stringify(answer.error).slice(0, 300)}`))
        }
      })
      response.on('error', reject)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

interface Socket {
  /** Calls `told` with each result of the subscription. */
  subscribe(method: string, params: unknown[], told: (result: Json) => void): void
  close(): void
}

async function openSocket(url: string): Promise<Socket> {
  const socket = new WebSocket(url)
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  let nextId = 1
  const pending = new Map<number, (result: Json) => void>()
  const live = new Map<number, (result: Json) => void>()
  socket.on('message', (data) => {
    const message = JSON.parse(data.toString())
    if (message.id === undefined) {
      live.get(message.params.subscription)?.(message.params.result)
      if (message.method === 'signatureNotification') {
        live.delete(message.params.subscription)
      }
    } else {
      live.set(message.result, pending.get(message.id)!)
      pending.delete(message.id)
    }
  })
  return {
    subscribe(method, params, told) {
      const id = nextId++
      pending.set(id, told)
      socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
    },
    close: () => socket.terminate()
  }
}

function sizeOf(dir: string): number {
  return readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0)
}

function rssOf(pid: number): number | undefined {
  const kib = procOf(pid, 'status', /^VmRSS:\s+(\d+)/m)
  return kib === undefined ? undefined : kib * 1024
}

/** CPU seconds of a process, in the kernel's ticks of 10 ms. */
function cpuOf(pid: number): number | undefined {
  const user = procOf(pid, 'stat', /^.*\) (?:\S+ ){11}(\d+)/s)
  const system = procOf(pid, 'stat', /^.*\) (?:\S+ ){12}(\d+)/s)
  return user === undefined || system === undefined ? undefined : (user + system) / 100
}

/** undefined off Linux. */
function procOf(pid: number, file: string, pattern: RegExp): number | undefined {
  try {
    const found = pattern.exec(readFileSync(`/proc/${pid}/${file}`, 'utf8'))?.[1]
    return found === undefined ? undefined : Number(found)
  } catch {
    return undefined
  }
}
