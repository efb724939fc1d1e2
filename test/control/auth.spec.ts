import { expect } from 'chai'
import { createTokenCheck, makeToken, refusePage } from '../../src/control/auth.ts'

describe('control: who may ask', () => {
  const codeOf = (headers: Record<string, string>, host = '127.0.0.1') => refusePage(headers, host)?.code

  it('whoever asks by the address that is listened on, or by loopback', () => {
    for (const [asked, host] of [
      ['127.0.0.1:80', '127.0.0.1'],
      ['localhost', '::1'],
      ['[::1]:80', '::1'],
      ['192.0.2.7:80', '192.0.2.7'],
      ['[2001:db8::1]:80', '2001:db8::1'],
      ['192.0.2.9:80', '0.0.0.0'],
      ['[2001:db8::9]', '::']
    ] as const) {
      expect(codeOf({ host: asked }, host), `${asked} on ${host}`).to.equal(undefined)
    }
  })

  it('and nobody by a name, or by an address that is not its', () => {
    for (const [asked, host] of [
      ['evil.example', '0.0.0.0'],
      ['127.0.0.1.evil.example:80', '127.0.0.1'],
      ['192.0.2.9', '127.0.0.1'],
      ['[::1]evil:80', '::'],
      ['localhost:80:80', '127.0.0.1'],
      ['127.0.0.1:80@evil.example', '127.0.0.1'],
      ['', '0.0.0.0']
    ] as const) {
      expect(codeOf({ host: asked }, host), `${asked} on ${host}`).to.equal('host-refused')
    }
    expect(codeOf({}, '0.0.0.0')).to.equal('host-refused')
  })

  it('and no page, whatever its Host', () => {
    const host = 'localhost'
    for (const origin of ['https://evil.example', 'http://localhost', 'null', '']) {
      expect(codeOf({ host, origin }), origin).to.equal('page-refused')
    }
    for (const site of ['cross-site', 'same-site', 'same-origin', '']) {
      expect(codeOf({ host, 'sec-fetch-site': site }), site).to.equal('page-refused')
    }
    // an address that a person typed
    expect(codeOf({ host, 'sec-fetch-site': 'none' })).to.equal(undefined)
  })

  it('with the token of this start, and with no other', () => {
    const token = makeToken()
    const check = createTokenCheck(token, '/data/api-token')
    expect(check({ authorization: `Bearer ${token}` })).to.equal(undefined)
    expect(check({ authorization: `bearer  ${token}` })).to.equal(undefined)
    expect(check({ authorization: `Bearer ${makeToken()}` })?.code).to.equal('token-wrong')
    expect(check({ authorization: `Bearer ${token} ${token}` })?.code).to.equal('token-missing')
    expect(check({})?.message).to.include('/data/api-token').and.not.include(token)
    const many = new Set(Array.from({ length: 100 }, makeToken))
    expect(many.size).to.equal(100)
  })
})
