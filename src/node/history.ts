/**
 * Keeps the finalized records of a task, and fetches those that it lacks: one at a time, from the newest back, with a rest after
 * each, so that rounds notice nothing of it.
 */
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { CID } from 'multiformats/cid'
import { bytesOf, type TaskConfig } from '../config/index.ts'
import type { DiskWatch } from '../disk/index.ts'
import type { Logger } from '../observe/index.ts'
import type { Proofs, ProviderHint } from '../proofs/index.ts'
import { ProofUnavailableError } from '../proofs/index.ts'
import { type ChainLink, type ChainPlace, RECORD_LIMITS, RecordMalformedError, readLink, recordCid } from '../record/index.ts'
import { type ArchiveStatus, openRecordArchive, type RecordArchive } from '../store/index.ts'
import { blocksFrom, localBlock } from './blocks.ts'

export interface HistoryInit {
  archive: RecordArchive
  proofs: Proofs
  /** base58 genesis hash and task. */
  network: string
  task: string
  /** Cycles whose records are kept, of those that are finalized. */
  keepRecords: number | 'all'
  /** Who may have older records. */
  providers: () => ProviderHint[]
  log: Logger
  /** Told of a record that could not be written. */
  onWriteFailed?: (err: unknown) => void
  /** Waits between two records. @default a timer */
  rest?: (ms: number, signal: AbortSignal) => Promise<void>
}

export interface History {
  /** K2 has finalized the record `cid` of `cycle`: it is kept, and what is missing before it is fetched. Never throws. */
  follow(cycle: number, cid: CID): void
  status(): ArchiveStatus
  /** Resolves when nothing is under way. */
  idle(): Promise<void>
  stop(): Promise<void>
}

/** Of one record and its ledger. */
const FETCH_TIMEOUT_MS = 10_000
/** After each record it rests for four times as long as that took, and for this long at least: a fifth of the time at most, ten records a second. */
const REST_TIMES = 4
const LEAST_REST_MS = 100

export function createHistory(init: HistoryInit): History {
  const { archive, proofs, network, task, keepRecords, providers, log, rest = restFor } = init
  const stopping = new AbortController()
  /** Records that are none, not of this chain, or too old: asked for once. */
  const refused = new Set<string>()
  let newest: { cycle: number; cid: CID } | undefined
  let running: Promise<void> | undefined
  let toldDropped = false
  let toldFull = false

  const keepFrom = () => (keepRecords === 'all' || newest == null ? 0 : Math.max(0, newest.cycle - keepRecords + 1))

  const put = async ({ cid, content, blocks }: ChainLink): Promise<boolean> => {
    const bytes = []
    for (const block of blocks) {
      bytes.push({ digest: block.multihash.digest, bytes: await localBlock(proofs, block) })
    }
    const { previous, cycle } = content
    const isKept = archive.put({ cycle, digest: cid.multihash.digest, previous: previous?.multihash.digest ?? null, blocks: bytes })
    proofs.release(blocks)
    if (!isKept && !toldFull) {
      log.warn({ cycle }, 'the disk is nearly full: records are kept no longer than proofs until there is room')
    }
    toldFull = !isKept
    return isKept
  }

  /** @returns whether there may be more to fetch */
  const fetchOne = async (cid: CID, place: ChainPlace): Promise<boolean> => {
    try {
      const link = await readLink(cid, blocksFrom(proofs, providers(), FETCH_TIMEOUT_MS, stopping.signal), place, RECORD_LIMITS, () =>
        setImmediate()
      )
      if (link.content.cycle < keepFrom()) {
        // cycles were skipped: it would be dropped at once, and fetched again
        refused.add(cid.toString())
        proofs.release(link.blocks)
        return false
      }
      return await put(link)
    } catch (err) {
      const reason = err instanceof Error ? err.message : String(err)
      if (err instanceof RecordMalformedError) {
        refused.add(cid.toString())
        log.warn(
          { record: cid.toString(), reason },
          'the chain of records ends here: what should be the record before is none, or not of this task'
        )
      } else if (err instanceof ProofUnavailableError || stopping.signal.aborted) {
        log.debug({ record: cid.toString(), reason }, 'nobody gave an older record; it is asked for again when the next cycle is finalized')
      } else {
        init.onWriteFailed?.(err)
        log.warn({ record: cid.toString(), reason }, 'a record could not be kept')
      }
      return false
    }
  }

  const trim = () => {
    const dropped = archive.trim(keepFrom())
    if (dropped > 0 && !toldDropped && !archive.hasRoom()) {
      toldDropped = true
      log.info(
        { from: archive.status().from, maxBytes: archive.status().maxBytes },
        'records fill a quarter of --quota-mib: the oldest ones go from now on'
      )
    }
    return dropped > 0
  }

  /** What is to be fetched next, with what is known of its place. */
  const lacking = (): { cid: CID; place: ChainPlace } | undefined => {
    if (newest != null && !archive.hasRecord(newest.cid.multihash.digest)) {
      return { cid: newest.cid, place: { network, task, belowCycle: newest.cycle + 1 } }
    }
    const gap = archive.hasRoom() ? archive.gap() : undefined
    return gap == null || gap.cycle <= keepFrom()
      ? undefined
      : { cid: recordCid(gap.previous), place: { network, task, belowCycle: gap.cycle } }
  }

  const run = async () => {
    while (!stopping.signal.aborted) {
      const startMs = performance.now()
      const known = newest
      const next = lacking()
      const more = next != null && !refused.has(next.cid.toString()) && (await fetchOne(next.cid, next.place))
      if (!trim() && !more && newest === known) {
        return
      }
      await rest(Math.max(LEAST_REST_MS, REST_TIMES * (performance.now() - startMs)), stopping.signal)
    }
  }

  return {
    follow(cycle, cid) {
      if (newest == null || cycle >= newest.cycle) {
        newest = { cycle, cid }
      }
      running ??= run()
        .catch((err) => {
          init.onWriteFailed?.(err)
          log.warn({ reason: err instanceof Error ? err.message : String(err) }, 'the records of this task could not be kept')
        })
        .finally(() => {
          running = undefined
        })
    },
    status: () => archive.status(),
    idle: async () => running,
    async stop() {
      stopping.abort()
      await running
    }
  }
}

/** The archive of a node: one file for each task. What its disk does is told to the watch, and what cannot be read is not here. */
export function openArchive({ config, watch, log }: { config: TaskConfig; watch: Pick<DiskWatch, 'failed'>; log: Logger }): RecordArchive {
  const maxBytes = bytesOf(config).records
  const nothing: ArchiveStatus = { from: null, to: null, bytes: 0, maxBytes, gaps: [] }
  let archive: RecordArchive | undefined
  try {
    archive = openRecordArchive({
      path: join(config.dataDir, 'records', `${config.task}.sqlite`),
      maxBytes,
      onDamaged: (path, reason) =>
        log.warn({ path, reason }, 'the file of old records was damaged: it was moved away, and they are fetched again. You may delete it')
    })
  } catch (err) {
    watch.failed('records', err)
    log.warn({ reason: (err as Error).message }, 'there is no place for old records: until the next start they are kept as long as proofs')
  }
  const read = <T>(run: (of: RecordArchive) => T, otherwise: T): T => {
    try {
      return archive == null ? otherwise : run(archive)
    } catch (err) {
      watch.failed('records', err)
      return otherwise
    }
  }
  return {
    get: (digest) => read((of) => of.get(digest), undefined),
    has: (digest) => read((of) => of.has(digest), false),
    hasRecord: (digest) => read((of) => of.hasRecord(digest), false),
    put: (record) => archive?.put(record) ?? false,
    gap: () => read((of) => of.gap(), undefined),
    hasRoom: () => read((of) => of.hasRoom(), false),
    trim: (fromCycle) => read((of) => of.trim(fromCycle), 0),
    status: () => read((of) => of.status(), nothing),
    close: () => archive?.close()
  }
}

function restFor(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    timer.unref()
    signal.addEventListener('abort', done)
  })
}
