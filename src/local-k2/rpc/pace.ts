import { z } from 'zod'
import { stringifyJson } from '../../k2/json.ts'
import type { Pacer, PaceSeat } from '../pacer.ts'
import { checkParams, methodNotFound } from './dispatch.ts'
import { INTERNAL_ERROR, invalidParams, RpcError } from './errors.ts'
import type { RpcClient, Send, Subscriptions } from './subscriptions.ts'

/** One connection holds a few at most: a node, and a test beside it. */
const MAX_SEATS = 4

/** Beyond those of the other subscriptions: a client tells them apart by the number alone. */
const FIRST_ID = 2 ** 32

const count = z.number().int().nonnegative()
const subscribeParams = z.tuple([z.object({ name: z.string().min(1).max(64) })])
const doneParams = z.tuple([count, count, count, count])
const oneParam = z.tuple([count])

/**
 * The methods of a K2 that paces itself by its followers, over WebSocket only; no other K2 knows them.
 *
 *     paceSubscribe [{ name }] -> number            from here on slots wait for this connection
 *     paceNotification { slot, turn }               asks: have you taken this slot in, and is nothing due under way?
 *     paceDone [number, slot, turn, moves]          says so; `moves` grows with whatever the follower does or hears
 *     paceBusy [number]                             not yet, and not hung either
 *     paceUnsubscribe [number] -> true
 */
export function withPace(subscriptions: Subscriptions, pacer: Pacer): Pick<Subscriptions, 'client'> {
  return { client: (send) => paceClient(subscriptions.client(send), pacer) }
}

function paceClient(client: RpcClient, pacer: Pacer): RpcClient {
  const seats = new Map<number, PaceSeat>()
  let nextId = FIRST_ID
  const subscribe = (name: string, send: Send): number => {
    const id = nextId++
    const seat =
      seats.size < MAX_SEATS
        ? pacer.join(name, (question) =>
            // after the answer that says its number
            queueMicrotask(() =>
              send(stringifyJson({ jsonrpc: '2.0', method: 'paceNotification', params: { result: question, subscription: id } }))
            )
          )
        : undefined
    if (seat === undefined) {
      throw new RpcError(INTERNAL_ERROR, 'Internal Error: Subscription refused. Slots wait for as many as they can already')
    }
    seats.set(id, seat)
    return id
  }
  const seatOf = (id: number): PaceSeat => {
    const seat = seats.get(id)
    if (seat === undefined) {
      throw invalidParams('Invalid subscription id.')
    }
    return seat
  }
  return {
    send: client.send,
    handle(method, params) {
      switch (method) {
        case 'paceSubscribe': {
          const [{ name }] = checkParams(subscribeParams, params)
          return subscribe(name, client.send)
        }
        case 'paceDone': {
          const [id, slot, turn, moves] = checkParams(doneParams, params)
          seatOf(id).done({ slot, turn }, moves)
          return true
        }
        case 'paceBusy': {
          const [id] = checkParams(oneParam, params)
          seatOf(id).busy()
          return true
        }
        case 'paceUnsubscribe': {
          const [id] = checkParams(oneParam, params)
          seatOf(id).leave()
          return seats.delete(id)
        }
        default:
          if (method.startsWith('pace')) {
            throw methodNotFound()
          }
          return client.handle(method, params)
      }
    },
    close() {
      for (const seat of seats.values()) {
        seat.leave()
      }
      seats.clear()
      client.close()
    }
  }
}
