/** A task's parameters: as they are typed, and as its bundle, which peers have, says them. */
import { loadParams, type Params } from '../config/index.ts'
import { askInTurn, BUNDLE_LIMITS, BundleError, createAuditor, hintsOf, paramsCid, paramsIn } from '../node/index.ts'
import { isInvalidProof } from '../proofs/index.ts'
import { dialsOf, type K2Options, type PeerOptions } from './chain.ts'

export interface ParamsOptions {
  params?: string
  config?: string
}

/** What was given, by flag, variable or file. @throws ConfigError */
export function givenParams({ params, config }: ParamsOptions): Params | undefined {
  return loadParams({ file: config, env: process.env, flag: params })
}

/** As it was typed, or a word for a file of them where it is too long to print. */
export function typedParamsAgain(params: Params | undefined, { params: typed }: ParamsOptions): string | undefined {
  if (params == null) {
    return undefined
  }
  return typed?.startsWith('@') === true ? typed : params.text.length <= MAX_TYPED_AGAIN ? params.text : '@FILE'
}

const MAX_TYPED_AGAIN = 1000

/** `known: false`: nobody gave the bundle, so whether it fixes any cannot be said. */
export type FixedParams = { known: true; params: Params | null } | { known: false; why: string }

type Hinted = Parameters<typeof hintsOf>[0]

/** What a bundle fixes, asked of the task's stakers and of whom the command names. Never throws for what they say. */
export async function fixedParams(bundle: string, stakes: Hinted, options: K2Options & PeerOptions): Promise<FixedParams> {
  const dials = await dialsOf(options, options.k2)
  const hints = [...dials.named, ...hintsOf(stakes).from]
  if (hints.length === 0) {
    return { known: false, why: 'no staker says where it is' }
  }
  const auditor = await createAuditor(dials)
  try {
    await askInTurn(auditor, hints, ASK_MS, (from, timeoutMs) => auditor.proofs.fetch(bundle, { from, limits: BUNDLE_LIMITS, timeoutMs }))
    return { known: true, params: await paramsIn(auditor.proofs, bundle) }
  } catch (err) {
    const isBad = err instanceof BundleError || isInvalidProof(err) || err instanceof SyntaxError
    return { known: false, why: isBad ? (err as Error).message : `nobody gave the bundle within ${ASK_MS / 1000} s` }
  } finally {
    await auditor.stop()
  }
}

const ASK_MS = 8_000

export async function paramsLine(fixed: FixedParams): Promise<string> {
  if (!fixed.known) {
    return `not known (${fixed.why}): koii-mesh proof get BUNDLE --data-dir DIR fetches it from a node of yours`
  }
  return fixed.params == null ? 'none are fixed' : `${await paramsCid(fixed.params)} ${fixed.params.text}`
}
