/** The copy of a bundle that a task's processes read: what was given is checked, and cannot change under them afterwards. */
import { createHash } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MAX_BUNDLE_BYTES } from './api.ts'

/** The bundle given to the runner is none; the message says what is wrong with it. */
export class TaskBundleError extends Error {
  override name = 'TaskBundleError'
}

export interface BundleCopy {
  /** UTF-8 text, at most `MAX_BUNDLE_BYTES` */
  source: Uint8Array
  /** the folder that the copy's own is in */
  base: string
  /** holds the copy and nothing else */
  folder: string
  path: string
  /** Removes what was made for it outside of a folder that was given. */
  remove(): Promise<void>
}

/**
 * @param bundle its bytes, or a file of them
 * @param given where the copy is put; a temporary folder without it
 * @throws TaskBundleError when the bundle is too large or no text
 */
export async function copyBundle(bundle: Uint8Array | { path: string }, given?: string): Promise<BundleCopy> {
  const source = await readBundle(bundle)
  const parent = given ?? (await mkdtemp(join(tmpdir(), 'koii-task-')))
  await mkdir(parent, { recursive: true })
  // the permission model compares resolved paths
  const base = await realpath(parent)
  // a copy of its own: the file that was given may change, and its folder may hold what a task must not read
  const folder = join(base, createHash('sha256').update(source).digest('hex').slice(0, 16))
  const path = join(folder, 'main.mjs')
  await mkdir(folder, { recursive: true })
  await rm(path, { force: true })
  await writeFile(path, source)
  await chmod(path, 0o444)
  return {
    source,
    base,
    folder,
    path,
    async remove() {
      if (given == null) {
        await rm(base, { recursive: true, force: true })
      }
    }
  }
}

async function readBundle(bundle: Uint8Array | { path: string }): Promise<Uint8Array> {
  let bytes: Uint8Array
  if (bundle instanceof Uint8Array) {
    bytes = bundle
  } else {
    const size = await stat(bundle.path).then(
      (found) => (found.isFile() ? found.size : null),
      () => null
    )
    if (size == null || size > MAX_BUNDLE_BYTES) {
      throw new TaskBundleError(
        `${bundle.path} is ${size == null ? 'no file that can be read' : `${size} bytes long, more than ${MAX_BUNDLE_BYTES}`}. Give the path of one JavaScript module`
      )
    }
    bytes = await readFile(bundle.path)
  }
  if (bytes.length > MAX_BUNDLE_BYTES) {
    throw new TaskBundleError(`a bundle of ${bytes.length} bytes; at most ${MAX_BUNDLE_BYTES}. Leave out what the task does not need`)
  }
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new TaskBundleError('the bundle is no UTF-8 text: it has to be one JavaScript module')
  }
  return bytes
}
