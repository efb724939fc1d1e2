import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { amountOf, bytesOf, CONFIG_KEYS, envName, koiiToRoe, loadConfig, roeToKoii } from '../../src/config/index.ts'

const K2 = 'http://127.0.0.1:8899'
const TASK = '79sPp44ozvk8YAMfbokbJctzEjDabGPd8JkSFb8NpmLZ'

describe('config', () => {
  let dir: string
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'koii-mesh-config-'))
  })
  after(() => rmSync(dir, { recursive: true }))

  const file = (content: unknown) => {
    const path = join(dir, 'config.json')
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
    return path
  }
  const load = (flags: object = {}, env: Record<string, string> = {}) => loadConfig({ env, flags: { k2: K2, task: TASK, ...flags } })

  it('needs a K2 and a task, and has a default for everything else', () => {
    const config = load()
    expect(config).to.deep.include({
      k2: [K2],
      task: TASK,
      listen: ['/ip4/0.0.0.0/tcp/0', '/ip4/0.0.0.0/tcp/0/ws'],
      bootstrap: [],
      allowPrivate: false,
      allowNetwork: false,
      dhtServer: true,
      keepCycles: 3,
      keepRecords: 'all',
      apiPort: 0,
      logLevel: 'info'
    })
    expect(config.params).to.equal(undefined)
    expect(() => loadConfig({}))
      .to.throw(/--k2 is missing: .*KOII_MESH_K2.*; --task is missing/)
      .with.property('name', 'ConfigError')
  })

  it('takes one K2 endpoint or several, with commas or as a list', () => {
    const two = [K2, 'https://k2.example.com/rpc']
    expect(load({ k2: two.join() }).k2).to.deep.equal(two)
    expect(loadConfig({ file: file({ k2: two, task: TASK }) }).k2).to.deep.equal(two)
    expect(loadConfig({ env: { KOII_MESH_K2: two.join() }, flags: { task: TASK } }).k2).to.deep.equal(two)
    expect(() => load({ k2: [] })).to.throw('at least one URL')
  })

  it('flags override the environment, which overrides the file', () => {
    const path = file({ minPeers: 1, maxConnections: 11, keepCycles: 5 })
    const config = loadConfig({
      file: path,
      env: { KOII_MESH_MIN_PEERS: '2', KOII_MESH_MAX_CONNECTIONS: '12', UNRELATED: 'x' },
      flags: { k2: K2, task: TASK, minPeers: '3', logLevel: undefined }
    })
    expect(config).to.include({ minPeers: 3, maxConnections: 12, keepCycles: 5, logLevel: 'info' })
  })

  it('gives each setting a name in the environment of its own', () => {
    const names = CONFIG_KEYS.map(envName)
    expect(new Set(names).size).to.equal(names.length)
    expect(envName('allowPrivate')).to.equal('KOII_MESH_ALLOW_PRIVATE')
    expect(envName('k2')).to.equal('KOII_MESH_K2')
    for (const name of names) {
      expect(name).to.match(/^KOII_MESH_[A-Z0-9]+(_[A-Z0-9]+)*$/)
    }
  })

  it('takes text for numbers, switches, lists and JSON', () => {
    const config = load(
      {},
      {
        KOII_MESH_ALLOW_PRIVATE: '1',
        KOII_MESH_DHT_SERVER: 'false',
        KOII_MESH_BOOTSTRAP: '/ip4/127.0.0.1/tcp/1,/ip4/127.0.0.1/tcp/2',
        KOII_MESH_PARAMS: '{"urls":["http://127.0.0.1/"]}',
        KOII_MESH_QUOTA_MIB: '64',
        KOII_MESH_KEEP_RECORDS: '1000'
      }
    )
    expect(config).to.deep.include({
      allowPrivate: true,
      dhtServer: false,
      bootstrap: ['/ip4/127.0.0.1/tcp/1', '/ip4/127.0.0.1/tcp/2'],
      params: { value: { urls: ['http://127.0.0.1/'] }, text: '{"urls":["http://127.0.0.1/"]}' }
    })
    expect(bytesOf(config)).to.include({ quota: 64 * 1024 * 1024, records: 16 * 1024 * 1024 })
    expect(config.keepRecords).to.equal(1000)
  })

  const wrong: Array<[name: string, run: () => unknown, says: RegExp]> = [
    ['another URL', () => load({ k2: 'ftp://x' }), /--k2 is "ftp:\/\/x": should be an http\(s\) URL/],
    ['what is no address', () => load({ task: '0OIl' }), /--task is "0OIl": should be 32 bytes in base58/],
    ['an address of 31 bytes', () => load({ task: '1'.repeat(31) }), /--task/],
    ['text for a number', () => load({ minPeers: 'many' }), /--min-peers is "many"/],
    ['half a peer', () => load({ minPeers: '1.5' }), /--min-peers is "1\.5"/],
    ['too little', () => load({ keepCycles: '2' }), /--keep-cycles is "2"/],
    ['too few records', () => load({ keepRecords: '2' }), /--keep-records is "2": should be all, or a whole number from 3/],
    ['another word for records', () => load({ keepRecords: 'none' }), /--keep-records is "none": should be all/],
    ['too much', () => load({ apiPort: '65536' }), /--api-port is "65536"/],
    ['a switch that is neither on nor off', () => load({}, { KOII_MESH_ALLOW_NETWORK: 'maybe' }), /KOII_MESH_ALLOW_NETWORK is "maybe"/],
    [
      'an address that is no multiaddr',
      () => load({ listen: ['127.0.0.1:4001'] }),
      /--listen is \["127\.0\.0\.1:4001"\]: should be a multiaddr/
    ],
    ['what is not JSON', () => load({ params: '{' }), /--params is not JSON/],
    ['an array for an object', () => load({ params: '[1]' }), /--params is "\[1\]"/],
    ['an unknown level', () => load({ logLevel: 'loud' }), /--log-level is "loud"/],
    ['an unknown setting', () => load({ peers: 3 }), /--peers: no such setting; there are k2, /],
    ['a wrong setting of the file', () => loadConfig({ file: file({ k2: 7, task: TASK }) }), /"k2" in .*config\.json is 7/],
    [
      'a file',
      () => loadConfig({ file: join(dir, 'none.json') }),
      /cannot read the configuration file .*none\.json \(ENOENT\): check .*--config/
    ],
    ['a folder for a file', () => loadConfig({ file: dir }), /cannot read the configuration file .*EISDIR/],
    ['a file that is not JSON', () => loadConfig({ file: file('k2: x') }), /is not valid JSON/],
    ['a file that holds no object', () => loadConfig({ file: file('null') }), /one object/]
  ]
  for (const [name, attempt, says] of wrong) {
    it(`refuses ${name}, and says where it stands`, () => {
      expect(attempt).to.throw(says).with.property('name', 'ConfigError')
    })
  }

  describe('amounts', () => {
    it('of KOII are exact both ways', () => {
      fc.assert(
        fc.property(fc.bigInt({ min: 0n, max: 10n ** 18n }), (roe) => {
          expect(koiiToRoe(roeToKoii(roe))).to.equal(roe)
          expect(roeToKoii(-roe)).to.equal(roe === 0n ? '0' : `-${roeToKoii(roe)}`)
        })
      )
      expect(koiiToRoe('0.000000001')).to.equal(1n)
      expect(koiiToRoe('2.50')).to.equal(2_500_000_000n)
      expect(roeToKoii(2_500_000_000n)).to.equal('2.5')
      // more than a double can hold
      expect(koiiToRoe('9999999999.999999999')).to.equal(9_999_999_999_999_999_999n)
    })
    it('are refused when they are none', () => {
      for (const text of [
        '',
        '.5',
        '5.',
        '-1',
        '+1',
        '1e3',
        '1,5',
        ' 1',
        '0.0000000001',
        '18446744073.709551616',
        '123456789012',
        'NaN',
        '١'
      ]) {
        expect(() => koiiToRoe(text), text).to.throw(RangeError)
        expect(() => amountOf(text, '--amount'), text).to.throw(/^--amount is "/)
      }
    })
  })
})
