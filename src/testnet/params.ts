/** What a testnet's task is given beside its code, and how that is said. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { canonicalParams, MAX_PARAMS_BYTES, type Params } from '../config/index.ts'
import { readSmallFile } from '../disk/index.ts'
import { PARAMS_FILE } from '../node/params.ts'
import { shownText } from '../observe/index.ts'

/** What a bundle in a folder fixes; null when that is nothing. @throws ParamsError */
export function paramsBeside(folder: string): Params | null {
  const file = join(folder, PARAMS_FILE)
  return existsSync(file) ? canonicalParams(readSmallFile(file, MAX_PARAMS_BYTES)) : null
}

const SHOWN_CHARACTERS = 200

/** In words, for who looks at the testnet. @param paramsFlag - what would have given some */
export function whatItGets(params: Params | null, { network }: { network?: boolean | undefined }, paramsFlag = '--params'): string[] {
  return [
    params == null ? `params none: ${paramsFlag} gives some` : `params ${shownText(params.text, SHOWN_CHARACTERS)}`,
    ...(network === true
      ? ['with the network, which its manifest asks for: elsewhere operators have to give it, with --allow-network']
      : [])
  ]
}
