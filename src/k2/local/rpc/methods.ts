import { accountMethods } from './account-methods.ts'
import { chainMethods } from './chain-methods.ts'
import type { RpcMethod } from './context.ts'
import { transactionMethods } from './transaction-methods.ts'

/** Every method that the local K2 answers over HTTP. */
export const methods = { ...chainMethods, ...accountMethods, ...transactionMethods } satisfies Record<string, RpcMethod>

export type MethodName = keyof typeof methods
