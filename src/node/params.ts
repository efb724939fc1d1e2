/**
 * The parameters of a task are part of its bundle's CID: a file beside the code, so that who has the one has the other, nobody types them,
 * and another value is another bundle. Spec: protocols/task/README.md "Parameters".
 */

import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { commandLine } from '../command/index.ts'
import { canonicalParams, MAX_PARAMS_BYTES, type Params, ParamsError } from '../config/index.ts'
import type { PackedFile, Proofs } from '../proofs/index.ts'
import { oneLine } from '../tasks/index.ts'

export class BundleError extends Error {
  override name = 'BundleError'
}

/** The operator gave other parameters than the task fixes: whatever this node did, all others would find it wrong. */
export class ParamsDifferError extends BundleError {
  override name = 'ParamsDifferError'
}

/** A bundle is a UnixFS directory with this file, so that its CID is that of any other proof. */
export const BUNDLE_FILE = 'main.mjs'
/** Beside it, in the bundle of a task that fixes its parameters: their canonical JSON. */
export const PARAMS_FILE = 'params.json'

export function filesOf(content: Uint8Array, params: Params | null): PackedFile[] {
  return [{ path: BUNDLE_FILE, content }, ...(params == null ? [] : [{ path: PARAMS_FILE, content: Buffer.from(params.text) }])]
}

/** What parameters are called where they are compared: the CID of their canonical text as one raw block, which the bundle links to. */
export async function paramsCid({ text }: Params): Promise<string> {
  return CID.createV1(raw.code, await sha256.digest(Buffer.from(text))).toString()
}

/**
 * What a bundle that is here fixes; null when it fixes nothing.
 *
 * @throws BundleError when it holds what can be no parameters: no node can run it
 */
export async function paramsIn(proofs: Pick<Proofs, 'reader'>, cid: string): Promise<Params | null> {
  const reader = proofs.reader(cid)
  let looked = 0
  for await (const file of reader.listFiles()) {
    if (file.path !== PARAMS_FILE) {
      if (++looked >= MAX_ENTRIES) {
        return null
      }
      continue
    }
    if (file.sizeBytes > MAX_PARAMS_BYTES) {
      throw notParams(`takes ${file.sizeBytes} bytes; at most ${MAX_PARAMS_BYTES} are allowed`)
    }
    const chunks: Uint8Array[] = []
    for await (const chunk of reader.readListed(file)) {
      chunks.push(chunk)
    }
    try {
      return canonicalParams(Buffer.concat(chunks))
    } catch (err) {
      throw err instanceof ParamsError ? notParams(err.message) : err
    }
  }
  return null
}

/** A bundle has two files; in order of their names, `main.mjs` comes before `params.json`. */
const MAX_ENTRIES = 64

const notParams = (why: string) =>
  new BundleError(
    `the task's bundle can be none: its ${PARAMS_FILE} ${why}. Its manager can give it another with ${commandLine(['task', 'update'], { help: true })}`
  )

/** @throws ParamsDifferError naming both */
export async function checkParams(fixed: Params | null, given: Params | undefined): Promise<void> {
  if (fixed != null && given != null && fixed.text !== given.text) {
    throw new ParamsDifferError(
      `this node was given the params ${await paramsCid(given)}, and the task fixes ${await paramsCid(fixed)}: all others would find its work wrong. Leave them out (--params, KOII_MESH_PARAMS, "params" in the configuration file), and the node takes the task's, which koii-mesh task show prints`
    )
  }
}

/**
 * What the operator should know of the parameters that a bundle runs with here, and what others should hear beside a finding that they
 * may explain: where a task fixes none, each operator may have given other ones.
 */
export async function aboutParams(
  fixed: Params | null,
  given: Params | undefined,
  content: Uint8Array
): Promise<{ warning?: string; note?: string }> {
  if (fixed != null) {
    return given == null || given.text === fixed.text
      ? {}
      : {
          warning: `the task’s new bundle fixes the params ${await paramsCid(fixed)}, and this node was given ${await paramsCid(given)}: the task’s are used. Leave --params out, or the next start is refused`
        }
  }
  if (given == null && !/\bparams\b/.test(Buffer.from(content).toString('latin1'))) {
    return {}
  }
  const mine = given == null ? 'none' : await paramsCid(given)
  return {
    warning:
      mine === 'none'
        ? 'the task fixes no params, and this node was given none, as is usual. One whose author tells operators to give some needs --params, or params in its entry where the node does several tasks'
        : `the task fixes no params, and this node was given the params ${mine}: who was given others finds its work wrong, and it finds theirs wrong. Ask the task’s author which are right`,
    note: `no params fixed, mine: ${mine === 'none' ? mine : `..${mine.slice(-12)}`}`
  }
}

/** A finding's reason with a note behind it, of at most `maxBytes` of UTF-8: it is the reason that gives way. */
export function withNote(reason: string, note: string | undefined, maxBytes: number): string {
  if (note == null) {
    return reason
  }
  const behind = ` (${note})`
  return `${oneLine(reason, maxBytes - Buffer.byteLength(behind))}${behind}`
}
