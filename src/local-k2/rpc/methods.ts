import { accountMethods } from './account-methods.ts'
import { chainMethods } from './chain-methods.ts'
import { clusterMethods } from './cluster-methods.ts'
import type { RpcMethod } from './context.ts'
import { tokenMethods } from './token-methods.ts'
import { transactionMethods } from './transaction-methods.ts'

/** Every method that the local K2 answers over HTTP. */
export const methods = { ...chainMethods, ...clusterMethods, ...accountMethods, ...tokenMethods, ...transactionMethods } satisfies Record<
  string,
  RpcMethod
>

export type MethodName = keyof typeof methods
