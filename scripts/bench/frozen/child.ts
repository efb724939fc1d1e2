/** One distribution in the frozen world: reads `{ source, seed, argument }` from standard input, writes the list. */
import { readFileSync } from 'node:fs'
import { BUNDLE_URL, guardProcess } from '../../../src/tasks/child/guard.ts'
import { freezeWorld, hookFrozenImports } from './world.ts'

const { source, seed, argument } = JSON.parse(readFileSync(0, 'utf8'))
const write = process.stdout.write.bind(process.stdout)
const { parse, stringify } = JSON
guardProcess(false)
hookFrozenImports(source, freezeWorld(seed, source))
const bundle = (await import(BUNDLE_URL)) as { distribution: (input: unknown) => unknown }
const amounts = (list: Array<{ stake: string }>) => list.map((item) => ({ ...item, stake: BigInt(item.stake) }))
const input = parse(argument)
const list = await bundle.distribution({
  ...input,
  bounty: BigInt(input.bounty),
  submissions: amounts(input.submissions),
  rejected: amounts(input.rejected),
  stakes: amounts(input.stakes)
})
write(stringify(list, (_, value) => (typeof value === 'bigint' ? value.toString() : value)))
