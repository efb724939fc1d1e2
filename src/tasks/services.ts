/** Answers what a task asks for: the parent's half of the task API. */
import { encode } from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import {
  MAX_LIST_KEYS,
  MAX_NODE_BYTES,
  MAX_SLOT_SPAN,
  type ProofReader,
  type TaskK2Reader,
  type TaskProofs,
  type TaskStore
} from './api.ts'
import { fromJson, ProofValueError, toJson } from './child/values.ts'
import { type RequestMethod, requestShapes } from './messages.ts'
import { problemIn } from './words.ts'

/** The task asked for something in a way that the contract does not know; told to the task, harmless to the node. */
export class TaskRequestError extends Error {
  override name = 'TaskRequestError'
}

export interface Services {
  store: TaskStore
  proofs: TaskProofs
  k2: TaskK2Reader
}

export interface Answer {
  value: unknown
  body?: Uint8Array
}

/** What the readers of proofs throw when the proof itself is at fault (src/proofs `isInvalidProof`, `scopeProofs`, values). */
const BAD_PROOF_ERRORS = ['NotInProofError', 'ProofMalformedError', 'ProofTooLargeError', 'ProofTooDeepError', 'ProofValueError']

/** The submitter's fault, under one name for authors: an audit that meets it may call the submission invalid. */
export class BadProofError extends Error {
  override name = 'BadProofError'
}

async function readProof<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    const { name, message } = error as Error
    throw BAD_PROOF_ERRORS.includes(name) ? new BadProofError(message, { cause: error }) : error
  }
}

/**
 * @param reader where proofs are read: the whole store in a work call, the submission's own DAG in an audit
 * @throws the service's own error, ProofValueError, TaskRequestError
 */
export async function answer(
  { store, proofs, k2 }: Services,
  reader: ProofReader,
  mayPut: boolean,
  { method, args, body, signal }: { method: RequestMethod; args: unknown; body: Uint8Array; signal: AbortSignal }
): Promise<Answer> {
  const parse = <M extends RequestMethod>(name: M) => {
    const parsed = requestShapes[name].safeParse(args)
    if (!parsed.success) {
      throw new TaskRequestError(`${name}: ${problemIn(parsed.error)}`)
    }
    return parsed.data as ReturnType<(typeof requestShapes)[M]['parse']>
  }
  const demandPut = () => {
    if (!mayPut) {
      throw new TaskRequestError(`${method}: an audit only reads`)
    }
  }
  switch (method) {
    case 'kv.get': {
      const bytes = await store.get(parse(method).key)
      return { value: bytes == null ? null : new TextDecoder().decode(bytes) }
    }
    case 'kv.put': {
      const { key, value } = parse(method)
      await store.put(key, new TextEncoder().encode(value))
      return { value: null }
    }
    case 'kv.delete':
      await store.delete(parse(method).key)
      return { value: null }
    case 'kv.list': {
      const { prefix, after, limit } = parse(method)
      return { value: await store.list(prefix, { after, limit: Math.min(limit, MAX_LIST_KEYS) }) }
    }
    case 'proofs.putNode': {
      demandPut()
      const value = fromJson(parse(method).value ?? null, (cid) => parseCid(cid))
      const { length } = encode(value)
      if (length > MAX_NODE_BYTES) {
        throw new ProofValueError(`a block of ${length} bytes; at most ${MAX_NODE_BYTES}. Split it and link the parts`)
      }
      return { value: await proofs.putNode(value, { signal }) }
    }
    case 'proofs.putFiles': {
      demandPut()
      const { files } = parse(method)
      const paths = new Set(files.map(({ path }) => path))
      if (paths.size !== files.length || files.some(({ path }) => path.split('/').some((part) => ['', '.', '..'].includes(part)))) {
        throw new TaskRequestError("proofs.putFiles: paths must be relative, different, and without empty, '.' or '..' parts")
      }
      let offset = 0
      const contents = files.map(({ path, size }) => ({ path, content: body.subarray(offset, (offset += size)) }))
      if (offset !== body.length) {
        throw new TaskRequestError(`proofs.putFiles: ${body.length} bytes came, the files have ${offset}`)
      }
      return { value: await proofs.putFiles(contents, { signal }) }
    }
    case 'proofs.get': {
      const { cid } = parse(method)
      return readProof(async () => {
        const value = await reader.getNode(cid, { signal })
        return { value: toJson(value, (object) => CID.asCID(object)?.toString() ?? null) }
      })
    }
    case 'proofs.list': {
      const { cid } = parse(method)
      return { value: await readProof(() => reader.listFiles(cid, { signal })) }
    }
    case 'proofs.readFile': {
      const { cid, path, offset, length } = parse(method)
      const content = await readProof(() => reader.readFile(cid, path, { offset, length, signal }))
      return { value: null, body: content.subarray(0, length) }
    }
    case 'k2.slot':
      return { value: await k2.slot({ signal }) }
    case 'k2.getBlock':
      return { value: await k2.block(parse(method).slot, { signal }) }
    case 'k2.getBlocks': {
      const { start, end } = parse(method)
      if (end < start || end - start >= MAX_SLOT_SPAN) {
        throw new TaskRequestError(`k2.getBlocks: ${start} to ${end} spans no slots or more than ${MAX_SLOT_SPAN}`)
      }
      return { value: await k2.blocks(start, end, { signal }) }
    }
  }
}

function parseCid(text: string): CID {
  try {
    return CID.parse(text)
  } catch {
    throw new ProofValueError(`'${text.slice(0, 100)}' is no CID`)
  }
}
