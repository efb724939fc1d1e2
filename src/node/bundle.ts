import { basename } from 'node:path'
import type { CID } from 'multiformats/cid'
import { commandLine, documentAt } from '../command/index.ts'
import type { Params } from '../config/index.ts'
import { readSmallFile, temporaryFolder } from '../disk/index.ts'
import { type Logger, shownText } from '../observe/index.ts'
import type { Proofs, ProviderHint } from '../proofs/index.ts'
import { cidOfFiles, isInvalidProof, toCid } from '../proofs/index.ts'
import {
  builtInBundles,
  bundlePath,
  createTaskRunner,
  MAX_BUNDLE_BYTES,
  type TaskManifest,
  trialDistribution,
  whyFailed
} from '../tasks/index.ts'
import { BUNDLE_FILE, BundleError, checkParams, filesOf, paramsCid, paramsIn } from './params.ts'

/** A task's bundle, as it is run. */
export interface Bundle {
  content: Uint8Array
  /** What the task fixes; null where it fixes nothing, and each operator may give other ones. */
  params: Params | null
}

export interface BundleInit {
  proofs: Proofs
  /** The task's bundle, as its account on K2 names it. */
  cid: string
  /** A local copy, for who has one. */
  path: string | undefined
  /** What the operator gave. */
  params?: Params | undefined
  /** Whether to run with what the task fixes although the operator gave other ones: a bundle that came while the node ran. */
  overrule?: boolean
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
/** The files, and the directory around them. */
export const BUNDLE_LIMITS = { maxBytes: 2 * MAX_BUNDLE_BYTES, maxBlocks: 64, maxDepth: 4 }

/**
 * The task's bundle: the local copy when there is one, else fetched from peers by its CID and verified block by block.
 * Waits until somebody has it.
 *
 * @throws BundleError when the local copy is not the task's bundle, or what the task names can be no bundle
 * @throws ParamsDifferError when the operator gave other parameters than the task fixes
 */
export async function obtainBundle({
  proofs,
  cid,
  path,
  params,
  overrule = false,
  others = [],
  providers,
  signal,
  log,
  onWaiting,
  onAbsent
}: BundleInit): Promise<Bundle> {
  try {
    toCid(cid)
  } catch {
    throw new BundleError(
      `the task names "${shownText(cid)}" as its bundle, which is no CID, so nobody can have it: its manager can give it another (${commandLine(['task', 'update'], { help: true })})`
    )
  }
  if (path != null) {
    const content = await readBundle(bundleAt(path))
    // with what was given first: a task may fix no parameters
    const forms = [...(params == null ? [] : [params]), null]
    const cids = await Promise.all(forms.map((form) => cidOfFiles(filesOf(content, form))))
    const at = cids.findIndex((own) => isCid(own, cid))
    if (at >= 0) {
      await proofs.packFiles(filesOf(content, forms[at]!))
      return { content, params: forms[at]! }
    }
    if (!others.some((other) => cids.some((own) => isCid(own, other)))) {
      if (params != null && (await isHere(proofs, cid))) {
        await checkParams(await paramsIn(proofs, cid), params)
      }
      const withWhat = params == null ? '' : ` with the params ${await paramsCid(params)}`
      throw new BundleError(
        `${path}${withWhat} is not the task's bundle: its CID is ${cids[0]}, the task names ${cid}. Leave ${params == null ? '--bundle' : '--bundle and --params'} out to fetch the right one from peers, or give the --params that the task was created with`
      )
    }
  }
  if (onAbsent != null && !(await isHere(proofs, cid))) {
    onAbsent()
  }
  for (;;) {
    signal.throwIfAborted()
    try {
      await proofs.fetch(cid, { from: providers(), limits: BUNDLE_LIMITS, timeoutMs: FETCH_TIMEOUT_MS, signal })
      const chunks: Uint8Array[] = []
      for await (const chunk of proofs.reader(cid).readFile(BUNDLE_FILE)) {
        chunks.push(chunk)
      }
      const fixed = await paramsIn(proofs, cid)
      if (!overrule) {
        await checkParams(fixed, params)
      }
      return { content: Buffer.concat(chunks), params: fixed }
    } catch (err) {
      signal.throwIfAborted()
      if (err instanceof BundleError) {
        throw err
      }
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
 * The CID under which a task names a bundle with its parameters, and what the bundle says of itself, read in an interpreter that can do
 * nothing; its distribution function is tried there.
 *
 * @throws BundleError when it cannot be read, is no bundle, or has a distribution that no node could run
 */
export async function describeBundle(path: string, params: Params | null = null): Promise<{ cid: string; manifest: TaskManifest }> {
  const content = await readBundle(path)
  const unused = () => Promise.reject(new Error('a bundle that is only looked at has no store, proofs or K2'))
  const { dir: folder, remove } = await temporaryFolder('koii-mesh-bundle-')
  const runner = await createTaskRunner({
    taskId: 'none',
    staker: 'none',
    bundle: content,
    fileName: basename(path),
    folder,
    store: { get: unused, put: unused, delete: unused, list: unused },
    proofs: { putNode: unused, putFiles: unused, getNode: unused, listFiles: unused, readFile: unused },
    k2: { slot: unused, block: unused, blocks: unused },
    log: () => {}
  })
  try {
    const manifest = await runner.manifest()
    if (!manifest.ok) {
      throw new BundleError(`${path} is not a task bundle (${whyFailed(manifest)}): see ${documentAt('task-authors.md')}`)
    }
    const trouble = await trialDistribution(runner)
    if (trouble != null) {
      throw new BundleError(
        `no node could pay for the work of ${path}: its ${trouble}. See "Distribution" in ${documentAt('task-authors.md')}`
      )
    }
    return { cid: (await cidOfFiles(filesOf(content, params))).toString(), manifest: manifest.value }
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
