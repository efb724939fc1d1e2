/** What a process asks for, answered by the task's services, so many at a time. */
import { type FromTask, MAX_OUTSTANDING_REQUESTS } from './messages.ts'
import type { PendingCall } from './process-calls.ts'
import { type Answer, answer, type Services } from './services.ts'

/** Errors of a request that say nothing of this node. */
const ASKERS_FAULT: ReadonlySet<string> = new Set(['BadProofError', 'CallOverError', 'ProofValueError', 'TaskRequestError'])

export type TaskRequest = Extract<FromTask, { kind: 'request' }>

export interface RequestsInit {
  services: Services | null
  /** The call that a request belongs to. */
  find: (call: number) => PendingCall | undefined
  /** @param onRead when the process has taken it */
  send: (head: unknown, body: Uint8Array | undefined, onRead: () => void) => void
  onTooMany: (detail: string) => void
}

/** Takes a request of the process. */
export function createRequests({ services, find, send, onTooMany }: RequestsInit): (message: TaskRequest, body: Uint8Array) => void {
  let requests = 0

  async function respond(message: TaskRequest, body: Uint8Array): Promise<void> {
    const pending = find(message.call)
    let reply: { answer: Answer } | { error: { name: string; message: string } }
    try {
      if (pending == null || services == null) {
        throw Object.assign(new Error('the call that this request belongs to is over, or may not ask for anything'), {
          name: 'CallOverError'
        })
      }
      const { proofs } = pending.call
      const { method, args } = message
      reply = {
        answer: await answer(services, proofs ?? services.proofs, proofs == null, {
          method,
          args,
          body,
          signal: pending.services.signal
        })
      }
      pending.k2Away &&= !method.startsWith('k2.')
    } catch (error) {
      const { name, message } = error instanceof Error ? error : new Error(String(error))
      if (pending != null) {
        pending.trouble ||= !ASKERS_FAULT.has(name)
        pending.badProof ||= name === 'BadProofError'
        pending.k2Away ||= name === 'K2ReadError'
      }
      reply = { error: { name: name.slice(0, 64), message: message.slice(0, 300) } }
    }
    // a request is over when its answer is on its way: a child that asks and never reads runs into its limit
    const over = () => {
      requests--
    }
    if ('answer' in reply) {
      send({ kind: 'response', id: message.id, ok: true, value: reply.answer.value }, reply.answer.body, over)
    } else {
      send({ kind: 'response', id: message.id, ok: false, error: reply.error }, undefined, over)
    }
  }

  return (message, body) => {
    if (++requests > MAX_OUTSTANDING_REQUESTS) {
      onTooMany(`more than ${MAX_OUTSTANDING_REQUESTS} requests at a time`)
    } else {
      void respond(message, body)
    }
  }
}
