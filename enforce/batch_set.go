package enforce

import (
	"time"

	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// commentData is a rule's comment as nft keeps it.
func commentData(text string) []byte {
	return userdata.AppendString(nil, userdata.TypeComment, text)
}

// What nft tells itself of a set's keys, in NFTNL_UDATA_SET_KEYBYTEORDER (nftables' include/datatype.h) and
// NFTNL_UDATA_SET_KEY_TYPEOF (its src/meta.c and include/expression.h).
const (
	nftHostEndian, nftBigEndian = 1, 2
	nftTypeofExpr, nftTypeofDef = 0, 1
	nftExprMeta                 = 9
	nftMetaKey                  = 0
)

func (k *kind) userData() []byte {
	order := uint32(nftBigEndian)
	if k.native {
		order = nftHostEndian
	}
	out := userdata.AppendUint32(nil, userdata.NFTNL_UDATA_SET_KEYBYTEORDER, order)
	if k.typeof != 0 {
		key := userdata.AppendUint32(nil, nftMetaKey, k.typeof)
		data := userdata.AppendUint32(nil, nftTypeofExpr, nftExprMeta)
		data = userdata.Append(data, nftTypeofDef, key)
		out = userdata.Append(out, userdata.NFTNL_UDATA_SET_KEY_TYPEOF, data)
	}
	return out
}

// flags are those of enum nft_set_flags.
func (s *set) flags() uint32 {
	var f uint32
	if s.kind.interval && !s.dynamic {
		f |= unix.NFT_SET_INTERVAL
	}
	if s.dynamic && !s.untimed {
		f |= unix.NFT_SET_TIMEOUT
	}
	if s.byRules {
		f |= unix.NFT_SET_EVAL
	}
	if s.to != nil {
		f |= unix.NFT_SET_MAP
	}
	return f
}

func (b *batch) addSet(s *set, kernelName string) {
	a := appendText(inTable(), unix.NFTA_SET_NAME, kernelName)
	a = appendNumber(a, unix.NFTA_SET_FLAGS, s.flags())
	a = appendNumber(a, unix.NFTA_SET_KEY_TYPE, s.kind.datatype.GetNFTMagic())
	a = appendNumber(a, unix.NFTA_SET_KEY_LEN, uint32(s.kind.bytes))
	if s.to != nil {
		a = appendNumber(a, unix.NFTA_SET_DATA_TYPE, unix.NFT_DATA_VERDICT)
	}
	a = appendNumber(a, unix.NFTA_SET_ID, uint32(len(b.messages)+1))
	if s.size > 0 {
		a = appendNest(a, unix.NFTA_SET_DESC, func(a []byte) []byte { return appendNumber(a, unix.NFTA_SET_DESC_SIZE, s.size) })
	}
	a = appendAttribute(a, unix.NFTA_SET_USERDATA, s.kind.userData())
	b.add(unix.NFT_MSG_NEWSET, netlink.Create, subject{verb: "add", noun: "set", name: kernelName}, a)
}

// maxElementBytes bounds the elements of one message: the attribute that holds them counts its length in 16 bits.
const maxElementBytes = 60 << 10

// elements writes set elements into a batch, so many to a message.
type elements struct {
	batch *batch
	kind  int
	name  string
	verb  string
	list  []byte
}

func (b *batch) elementsOf(verb string, kind int, kernelName string) *elements {
	return &elements{batch: b, kind: kind, name: kernelName, verb: verb}
}

func (e *elements) flush() {
	if len(e.list) == 0 {
		return
	}
	a := appendText(inTable(), unix.NFTA_SET_ELEM_LIST_SET, e.name)
	a = appendNest(a, unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(a []byte) []byte { return append(a, e.list...) })
	flags := netlink.HeaderFlags(0)
	if e.kind == unix.NFT_MSG_NEWSETELEM {
		flags = netlink.Create
	}
	e.batch.add(e.kind, flags, subject{verb: e.verb, noun: "elements of set", name: e.name}, a)
	e.list = e.list[:0]
}

// element is a value for a set, with what goes with it.
type element struct {
	key []byte
	// end marks the value that an interval ends before.
	end bool
	// verdict is where a map leads; nil of a set.
	verdict  []byte
	timeout  time.Duration // 0: none
	userData []byte
}

func (e *elements) add(x element) {
	e.list = appendElement(e.list, x)
	if len(e.list) > maxElementBytes {
		e.flush()
	}
}

func appendElement(list []byte, x element) []byte {
	return appendNest(list, unix.NFTA_LIST_ELEM, func(a []byte) []byte {
		if x.end {
			a = appendNumber(a, unix.NFTA_SET_ELEM_FLAGS, unix.NFT_SET_ELEM_INTERVAL_END)
		}
		a = appendNest(a, unix.NFTA_SET_ELEM_KEY, func(a []byte) []byte { return appendAttribute(a, unix.NFTA_DATA_VALUE, x.key) })
		if x.verdict != nil {
			a = appendNest(a, unix.NFTA_SET_ELEM_DATA, func(a []byte) []byte {
				return appendAttribute(a, unix.NFTA_DATA_VERDICT|unix.NLA_F_NESTED, x.verdict)
			})
		}
		if x.timeout > 0 {
			a = appendNumber64(a, unix.NFTA_SET_ELEM_TIMEOUT, max(1, uint64(x.timeout.Milliseconds())))
		}
		if len(x.userData) > 0 {
			a = appendAttribute(a, unix.NFTA_SET_ELEM_USERDATA, x.userData)
		}
		return a
	})
}

// elements gives what a set holds as the kernel keeps it. An interval set holds where each run of values begins, and the
// value after its last as an end; one that goes to the top has no end.
func (s *set) elements(yield func(element) bool) {
	at := 0
	for x := range s.spans {
		e := element{key: x.first[:s.kind.bytes]}
		if s.to != nil {
			e.verdict = s.to[at].verdict()
		}
		if s.left != nil {
			e.timeout = s.left(at)
		}
		at++
		if !yield(e) {
			return
		}
		if after, ok := next(x.last[:s.kind.bytes]); ok && s.kind.interval && !yield(element{key: after, end: true}) {
			return
		}
	}
}

// verdict is the branch as an element of a map holds it.
func (b branch) verdict() []byte {
	code := int32(unix.NFT_GOTO)
	if b.back {
		code = unix.NFT_JUMP
	}
	return appendVerdict(nil, code, b.chain)
}

// next is a big-endian number plus one; ok is false at the top.
func next(value []byte) (after []byte, ok bool) {
	after = append([]byte(nil), value...)
	for i := len(after) - 1; i >= 0; i-- {
		after[i]++
		if after[i] != 0 {
			return after, true
		}
	}
	return nil, false
}
