/** Address hints as 50 hostile stakers may write them: K2's program takes any text of up to 127 bytes. */

const OTHER = '12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5'

/** @param good - the PeerId of an honest node, which some of them name */
export function hostileHints(good: string): string[] {
  const hints = [
    'foo',
    '/',
    '//',
    '/ip4',
    '/ip4/203.0.113.7',
    '\x1b[2J\x1b[31m/ip4/1.2.3.4/tcp/1\nfake line',
    '\x9b2J',
    '\u202e/ip4/1.2.3.4/tcp/1',
    '\u200b/ip4/1.2.3.4/tcp/1',
    'x'.repeat(127),
    '\0'.repeat(127),
    '/'.repeat(127),
    '/ip4/127.0.0.1'.repeat(9),
    `/p2p/${good}`,
    '/ip4/127.0.0.1/tcp/1',
    '/ip4/127.0.0.1/tcp/1/p2p/',
    '/ip4/127.0.0.1/tcp/1/p2p/garbage',
    '/ip4/127.0.0.1/tcp/1/p2p/QmGarbage',
    '/ip4/127.0.0.1/tcp/1/p2p/bafyreigslyhqtvideh3g3gjodlbou5hjhw3hzmm4at4i5vxrjwgs7j36ua',
    `/ip4/127.0.0.1/tcp/99999999/p2p/${OTHER}`,
    `/ip4/127.0.0.1/tcp/0/p2p/${OTHER}`,
    `/ip4/127.0.0.1/tcp/-1/p2p/${OTHER}`,
    `/ip4/127.0.0.1/tcp/1.5/p2p/${OTHER}`,
    `/ip4/0x7f000001/tcp/1/p2p/${OTHER}`,
    `/ip4/2130706433/tcp/1/p2p/${OTHER}`,
    `/dns4/0x7f000001/tcp/1/p2p/${OTHER}`,
    `/ip4/256.0.0.1/tcp/1/p2p/${OTHER}`,
    `/ip6/::1%25zone/tcp/1/p2p/${OTHER}`,
    `/dns4/a b/tcp/1/p2p/${OTHER}`,
    `/dns4/\n\x1b[2J/tcp/1/p2p/${OTHER}`,
    `/dns4/${'a'.repeat(60)}/tcp/1/p2p/${OTHER}`,
    `/dns4/.../tcp/1/p2p/${OTHER}`,
    `/unix/tmp%2fa/p2p/${OTHER}`,
    '/unix/var%2frun%2fdocker.sock',
    `/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:1`,
    `/ip4/127.0.0.1/udp/1/quic-v1/p2p/${OTHER}`,
    `/memory/a/p2p/${OTHER}`,
    `/ip4/127.0.0.1/tcp/1/p2p/${OTHER}/p2p-circuit`,
    `/ip4/1.2.3.4/tcp/1/p2p-circuit/p2p/${OTHER}`,
    `/ip4/127.0.0.1/tcp/1/http-path/%E0%A4%A/p2p/${OTHER}`,
    `/ip4/127.0.0.1/tcp/1/http-path/%00/p2p/${OTHER}`,
    `/ip4/127.0.0.1/tcp/1/sni/\u202e/p2p/${OTHER}`,
    'http://127.0.0.1:1/',
    '{"__proto__":{"x":1}}',
    // what can be read, and leads nowhere
    `/ip4/127.0.0.1/tcp/1/p2p/${OTHER}`,
    `/ip4/127.0.0.1/tcp/1/p2p/${good}`,
    `/ip4/127.0.0.1/tcp/2/p2p/${good}`,
    `/ip4/127.0.0.1/tcp/3/ws/p2p/${good}`,
    `/ip4/10.255.255.1/tcp/4001/p2p/${good}`,
    `/dns4/no-such-host.invalid/tcp/1/p2p/${good}`
  ]
  return hints.map((hint) => Buffer.from(hint).subarray(0, 127).toString())
}
