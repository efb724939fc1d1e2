import { Command } from 'commander'
import { generateKeyPair, writeKeyFile } from '../identity/index.ts'
import { answer, example, withJson } from './common.ts'

export function keygenCommand(): Command {
  return withJson(new Command('keygen'))
    .description('make a staking key (or a wallet): a file that the Solana and Koii CLIs read too')
    .option('--out <file>', 'where to write it; never over an existing file', 'staking-key.json')
    .addHelpText('after', example('koii-mesh keygen --out ./alice.json'))
    .action(async ({ out, json }: { out: string; json?: boolean }) => {
      const pair = generateKeyPair()
      await writeKeyFile(out, pair)
      answer(json, { address: pair.address, file: out }, [
        `address ${pair.address}`,
        `file    ${out} (only you can read it: keep a copy, nobody can restore it)`
      ])
    })
}
