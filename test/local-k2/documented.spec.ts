import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { methods } from '../../src/local-k2/rpc/methods.ts'

describe('local K2: what its document says that it answers', () => {
  const sections = readFileSync(new URL('../../docs/local-k2.md', import.meta.url), 'utf8').split(/^## /m)
  const answered = sections.find((section) => section.startsWith('What it answers'))
  const named = [...answered!.matchAll(/`(\w+)`/g)].map(([, name]) => name!)

  it('is every method there is, and no other', () => {
    const told = named.filter((name) => /^(get|is|request|send|simulate|minimum)[A-Z]/.test(name))
    expect(told.toSorted()).to.deep.equal(Object.keys(methods).toSorted())
  })
})
