/** One connection to a signer process, a request at a time, each bounded in time and size and checked before it is believed. */
import { Agent, type IncomingMessage, request } from 'node:http'
import { messageOf } from '../../k2/index.ts'
import { ContradictionError, SignerAwayError, SignerLogError, SigningHeldError, UnreadableRequestError } from '../errors.ts'
import { type Answer, type Asking, BUSY, MAX_REPLY_BYTES, NO_SESSION, type Path, REFUSAL, REPLIES, VERSION } from './protocol.ts'
import { whyNotAsk } from './socket-place.ts'

/** What the signer said no with, and means: asking again changes nothing. */
const REFUSALS: Record<string, new (message: string) => Error> = {
  ContradictionError,
  SigningHeldError,
  SignerLogError,
  UnreadableRequestError
}

/** The signer that answers is a new one, or the connection is: what it was told before is forgotten. */
export class NoSessionError extends SignerAwayError {
  override name = 'NoSessionError'
}

/** It serves another node. */
export class SignerBusyError extends SignerAwayError {
  override name = 'SignerBusyError'
}

export interface Link {
  /** @throws SignerAwayError where nothing answers as a signer does; else what it refused with */
  call<P extends Path>(path: P, asking: Asking<P>): Promise<Answer<P>>
  close(): void
}

export function createLink({ path, answerMs, stopping }: { path: string; answerMs: number; stopping: AbortSignal }): Link {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })

  const ask = async (name: Path, asking: object): Promise<{ status: number; text: string }> => {
    const why = whyNotAsk(path)
    if (why != null) {
      throw new SignerAwayError(why)
    }
    const timedOut = AbortSignal.timeout(answerMs)
    const signal = AbortSignal.any([timedOut, stopping])
    const body = JSON.stringify(asking)
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        const asked = request({ socketPath: path, path: `/${VERSION}/${name}`, method: 'POST', agent, headers, signal }, resolve)
        asked.once('error', reject)
        asked.end(body)
      })
      return { status: response.statusCode ?? 0, text: await bounded(response) }
    } catch (err) {
      throw timedOut.aborted ? new SignerAwayError(`no answer within ${answerMs / 1000} s`, { cause: err }) : err
    }
  }

  return {
    async call(name, asking) {
      let answer: { status: number; text: string }
      try {
        answer = await ask(name, asking)
      } catch (err) {
        throw err instanceof SignerAwayError ? err : new SignerAwayError(inWords(err), { cause: err })
      }
      if (answer.status === 200) {
        const said = REPLIES[name].safeParse(parsed(answer.text))
        if (!said.success) {
          throw new SignerAwayError(`what listens there answers ${name} as no signer does: ${said.error.issues[0]?.message}`)
        }
        return said.data as Answer<typeof name>
      }
      const refused = REFUSAL.safeParse(parsed(answer.text))
      if (!refused.success) {
        throw new SignerAwayError(`what listens there answers ${name} with status ${answer.status}, and is no signer`)
      }
      const { error, message } = refused.data
      const Known = Object.hasOwn(REFUSALS, error) ? REFUSALS[error] : undefined
      if (Known != null) {
        throw new Known(message)
      }
      throw error === NO_SESSION
        ? new NoSessionError(message)
        : error === BUSY
          ? new SignerBusyError(message)
          : new SignerAwayError(
              `it answers ${name} with status ${answer.status}: ${message}${answer.status === 404 ? '. Run signer and node with one version of koii-mesh' : ''}`
            )
    },
    close: () => agent.destroy()
  }
}

async function bounded(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > MAX_REPLY_BYTES) {
      response.destroy()
      throw new SignerAwayError(`what listens there answers with more than ${MAX_REPLY_BYTES} bytes, and is no signer`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function inWords(err: unknown): string {
  const { code } = err as NodeJS.ErrnoException
  const words: Record<string, string> = {
    ECONNREFUSED: 'nobody listens there',
    ENOENT: 'there is no socket',
    ECONNRESET: 'it broke the connection off',
    EACCES: 'this user may not use the socket'
  }
  return words[code ?? ''] ?? messageOf(err)
}
