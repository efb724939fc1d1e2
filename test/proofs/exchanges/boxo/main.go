// A boxo Bitswap node that does what it is told, one JSON object a line, and answers each with one line:
//
//	{"op":"put","codec":85,"data":BASE64}        {"cid":CID}
//	{"op":"connect","addr":MULTIADDR}            {}
//	{"op":"get","cids":[CID,..],"timeoutMs":N}   {"got":{CID:BYTES,..}}    one session; when all came or the time is up
//	{"op":"decode","frame":BASE64}               what boxo reads in a frame
//	{"op":"encode","wants":[..],"haves":[..],..} {"frame":BASE64}          what boxo writes
//
// It prints {"addr":MULTIADDR} first and ends with its standard input. See ../record.ts.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/ipfs/boxo/bitswap"
	"github.com/ipfs/boxo/bitswap/message"
	pb "github.com/ipfs/boxo/bitswap/message/pb"
	"github.com/ipfs/boxo/bitswap/network/bsnet"
	"github.com/ipfs/boxo/blockstore"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
)

type want struct {
	Cid          string `json:"cid"`
	Cancel       bool   `json:"cancel,omitempty"`
	Have         bool   `json:"have,omitempty"`
	SendDontHave bool   `json:"sendDontHave,omitempty"`
}

type block struct {
	Cid   string `json:"cid"`
	Bytes int    `json:"bytes"`
}

type command struct {
	Id        int      `json:"id"`
	Op        string   `json:"op"`
	Codec     uint64   `json:"codec"`
	Hash      uint64   `json:"hash"`
	Data      []byte   `json:"data"`
	Addr      string   `json:"addr"`
	Cids      []string `json:"cids"`
	TimeoutMs int      `json:"timeoutMs"`
	Frame     []byte   `json:"frame"`
	Full      bool     `json:"full"`
	Wants     []want   `json:"wants"`
	Haves     []string `json:"haves"`
	DontHaves []string `json:"dontHaves"`
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var (
	out   = json.NewEncoder(os.Stdout)
	outMu sync.Mutex
)

func say(value any) {
	outMu.Lock()
	defer outMu.Unlock()
	must(out.Encode(value))
}

func parse(text string) cid.Cid {
	c, err := cid.Decode(text)
	must(err)
	return c
}

func meaning(frame []byte) map[string]any {
	msg, _, err := message.FromNet(bytes.NewReader(frame))
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	wants, data, haves, dontHaves := []want{}, []block{}, []string{}, []string{}
	for _, e := range msg.Wantlist() {
		wants = append(wants, want{e.Cid.String(), e.Cancel, e.WantType == pb.Message_Wantlist_Have, e.SendDontHave})
	}
	for _, b := range msg.Blocks() {
		data = append(data, block{b.Cid().String(), len(b.RawData())})
	}
	for _, c := range msg.Haves() {
		haves = append(haves, c.String())
	}
	for _, c := range msg.DontHaves() {
		dontHaves = append(dontHaves, c.String())
	}
	return map[string]any{"full": msg.Full(), "wants": wants, "blocks": data, "haves": haves, "dontHaves": dontHaves, "pendingBytes": msg.PendingBytes()}
}

func encode(c command) []byte {
	msg := message.New(c.Full)
	for _, w := range c.Wants {
		if w.Cancel {
			msg.Cancel(parse(w.Cid))
			continue
		}
		kind := pb.Message_Wantlist_Block
		if w.Have {
			kind = pb.Message_Wantlist_Have
		}
		msg.AddEntry(parse(w.Cid), 1, kind, w.SendDontHave)
	}
	if c.Data != nil {
		msg.AddBlock(makeBlock(c))
	}
	for _, one := range c.Haves {
		msg.AddHave(parse(one))
	}
	for _, one := range c.DontHaves {
		msg.AddDontHave(parse(one))
	}
	var buffer bytes.Buffer
	must(msg.ToNetV1(&buffer))
	return buffer.Bytes()
}

func makeBlock(c command) blocks.Block {
	kind := c.Hash
	if kind == 0 && c.Op == "put" {
		kind = multihash.SHA2_256
	}
	prefix := cid.Prefix{Version: 1, Codec: c.Codec, MhType: kind, MhLength: -1}
	name, err := prefix.Sum(c.Data)
	must(err)
	one, err := blocks.NewBlockWithCid(c.Data, name)
	must(err)
	return one
}

func main() {
	ctx := context.Background()
	host, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay())
	must(err)
	store := blockstore.NewIdStore(blockstore.NewBlockstore(dssync.MutexWrap(datastore.NewMapDatastore())))
	exchange := bitswap.New(ctx, bsnet.NewFromIpfsHost(host), nil, store)
	say(map[string]any{"addr": fmt.Sprintf("%s/p2p/%s", host.Addrs()[0], host.ID())})

	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var c command
		must(json.Unmarshal(line, &c))
		switch c.Op {
		case "put":
			one := makeBlock(c)
			must(store.Put(ctx, one))
			must(exchange.NotifyNewBlocks(ctx, one))
			say(map[string]any{"id": c.Id, "cid": one.Cid().String()})
		case "connect":
			info, err := peer.AddrInfoFromString(c.Addr)
			must(err)
			must(host.Connect(ctx, *info))
			say(map[string]any{"id": c.Id})
		case "get":
			go func() {
				limited, cancel := context.WithTimeout(ctx, time.Duration(c.TimeoutMs)*time.Millisecond)
				defer cancel()
				names := []cid.Cid{}
				for _, one := range c.Cids {
					names = append(names, parse(one))
				}
				came, err := exchange.NewSession(limited).GetBlocks(limited, names)
				must(err)
				got := map[string]int{}
				for one := range came {
					got[one.Cid().String()] = len(one.RawData())
				}
				say(map[string]any{"id": c.Id, "got": got})
			}()
		case "decode":
			answer := meaning(c.Frame)
			answer["id"] = c.Id
			say(answer)
		case "encode":
			say(map[string]any{"id": c.Id, "frame": encode(c)})
		}
	}
}
