import type { CID } from 'multiformats/cid'
import { commandLine, documentAt } from '../command/index.ts'
import { readSmallFile, temporaryFolder } from '../disk/index.ts'
import { type Logger, shownText } from '../observe/index.ts'
import type { Proofs, ProviderHint } from '../proofs/index.ts'
import { cidOfFiles, isInvalidProof, toCid } from '../proofs/index.ts'
import { builtInBundles, bundlePath, createTaskRunner, MAX_BUNDLE_BYTES, type TaskManifest, trialDistribution } from '../tasks/index.ts'

export class BundleError extends Error {
  override name = 'BundleError'
}

/** A bundle is a UnixFS directory with this one file, so that its CID is that of any other proof. */
export const BUNDLE_FILE = 'main.mjs'

export interface BundleInit {
  proofs: Proofs
  /** The task's bundle, as its account on K2 names it. */
  cid: string
  /** A local copy, for who has one. */
  path: string | undefined
  /** Other bundles of the task: the local copy may be of one of these. */
  others?: string[]
  providers: () => ProviderHint[]
  signal: AbortSignal
  log: Logger
  onWaiting: (reason: string) => void
  /** It is not on this disk: whoever waits for it waits for a peer. */
  onAbsent?: () => void
}

/** One try: peers that are there answer well within this. */
const FETCH_TIMEOUT_MS = 10_000
const RETRY_MS = 1_000
/** The file, and the directory around it. */
const LIMITS = { maxBytes: 2 * MAX_BUNDLE_BYTES, maxBlocks: 64, maxDepth: 4 }

/**
 * The task's bundle: the local copy when there is one, else fetched from peers by its CID and verified block by block.
 * Waits until somebody has it.
 *
 * @throws BundleError when the local copy is not the task's bundle, or what the task names can be no bundle
 */
export async function obtainBundle({
  proofs,
  cid,
  path,
  others = [],
  providers,
  signal,
  log,
  onWaiting,
  onAbsent
}: BundleInit): Promise<Uint8Array> {
  try {
    toCid(cid)
  } catch {
    throw new BundleError(
      `the task names "${shownText(cid)}" as its bundle, which is no CID, so nobody can have it: its manager can give it another (${commandLine(['task', 'update'], { help: true })})`
    )
  }
  if (path != null) {
    const content = await readBundle(bundleAt(path))
    const packed = await proofs.packFiles([{ path: BUNDLE_FILE, content }])
    if (isCid(packed.cid, cid)) {
      return content
    }
    if (!others.some((other) => isCid(packed.cid, other))) {
      throw new BundleError(
        `${path} is not the task's bundle: its CID is ${packed.cid}, the task names ${cid}. Leave --bundle out to fetch the right one from peers`
      )
    }
  }
  if (onAbsent != null && !(await isHere(proofs, cid))) {
    onAbsent()
  }
  for (;;) {
    signal.throwIfAborted()
    try {
      await proofs.fetch(cid, { from: providers(), limits: LIMITS, timeoutMs: FETCH_TIMEOUT_MS, signal })
      const chunks: Uint8Array[] = []
      for await (const chunk of proofs.reader(cid).readFile(BUNDLE_FILE)) {
        chunks.push(chunk)
      }
      return Buffer.concat(chunks)
    } catch (err) {
      signal.throwIfAborted()
      if (isInvalidProof(err)) {
        throw new BundleError(`the task's bundle can be none: ${err.message}`)
      }
      const reason = err instanceof Error ? err.message : String(err)
      log.debug({ cid, reason }, 'no peer has given the bundle yet')
      onWaiting(reason)
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }
}

const isHere = (proofs: Proofs, cid: string) =>
  proofs.measure(cid).then(
    () => true,
    () => false
  )

/** The path of a built-in bundle by its name, or the path itself. */
export function bundleAt(nameOrPath: string): string {
  return (builtInBundles as readonly string[]).includes(nameOrPath) ? bundlePath(nameOrPath as (typeof builtInBundles)[number]) : nameOrPath
}

/**
 * The CID under which a task names a bundle, and what the bundle says of itself, read in an interpreter that can do
 * nothing; its distribution function is tried there.
 *
 * @throws BundleError when it cannot be read, is no bundle, or has a distribution that no node could run
 */
export async function describeBundle(path: string): Promise<{ cid: string; manifest: TaskManifest }> {
  const content = await readBundle(path)
  const unused = () => Promise.reject(new Error('a bundle that is only looked at has no store, proofs or K2'))
  const { dir: folder, remove } = await temporaryFolder('koii-mesh-bundle-')
  const runner = await createTaskRunner({
    taskId: 'none',
    staker: 'none',
    bundle: content,
    folder,
    store: { get: unused, put: unused, delete: unused, list: unused },
    proofs: { putNode: unused, putFiles: unused, getNode: unused, listFiles: unused, readFile: unused },
    k2: { slot: unused, block: unused, blocks: unused },
    log: () => {}
  })
  try {
    const manifest = await runner.manifest()
    if (!manifest.ok) {
      throw new BundleError(`${path} is not a task bundle (${manifest.reason}: ${manifest.detail}): see ${documentAt('task-authors.md')}`)
    }
    const trouble = await trialDistribution(runner)
    if (trouble != null) {
      throw new BundleError(
        `no node could pay for the work of ${path}: its ${trouble}. See "Distribution" in ${documentAt('task-authors.md')}`
      )
    }
    return { cid: (await cidOfFiles([{ path: BUNDLE_FILE, content }])).toString(), manifest: manifest.value }
  } finally {
    await runner.stop()
    await remove()
  }
}

async function readBundle(path: string): Promise<Uint8Array> {
  try {
    return readSmallFile(path, MAX_BUNDLE_BYTES)
  } catch (err) {
    throw new BundleError(
      `cannot read the bundle ${path} (${(err as Error).message}): give the path of a JavaScript module, or one of ${builtInBundles.join(', ')}`
    )
  }
}

/** Whether a text on K2 names this CID; a manager may write any. */
function isCid(cid: CID, text: string): boolean {
  try {
    return cid.equals(toCid(text))
  } catch {
    return false
  }
}
