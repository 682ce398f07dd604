package enforce

import (
	"fmt"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// appendExpr appends an expression of a rule. Those that most rules are made of are written here: the nftables package takes
// ten times as long, and with thousands of rules that is most of a reload. kernelName gives the name that a set bears in the
// kernel.
func appendExpr(b []byte, e expr.Any, kernelName func(string) string) ([]byte, error) {
	var failed error
	b = appendNest(b, unix.NFTA_LIST_ELEM, func(b []byte) []byte {
		switch e := e.(type) {
		case *expr.Meta:
			return appendNamed(b, "meta", func(b []byte) []byte {
				return appendNumber(appendNumber(b, unix.NFTA_META_KEY, uint32(e.Key)), unix.NFTA_META_DREG, e.Register)
			})
		case *expr.Payload:
			return appendNamed(b, "payload", func(b []byte) []byte {
				b = appendNumber(appendNumber(b, unix.NFTA_PAYLOAD_DREG, e.DestRegister), unix.NFTA_PAYLOAD_BASE, uint32(e.Base))
				return appendNumber(appendNumber(b, unix.NFTA_PAYLOAD_OFFSET, e.Offset), unix.NFTA_PAYLOAD_LEN, e.Len)
			})
		case *expr.Cmp:
			return appendNamed(b, "cmp", func(b []byte) []byte {
				b = appendNumber(appendNumber(b, unix.NFTA_CMP_SREG, e.Register), unix.NFTA_CMP_OP, uint32(e.Op))
				return appendNest(b, unix.NFTA_CMP_DATA, func(b []byte) []byte { return appendAttribute(b, unix.NFTA_DATA_VALUE, e.Data) })
			})
		case *expr.Lookup:
			return appendNamed(b, "lookup", func(b []byte) []byte {
				b = appendText(b, unix.NFTA_LOOKUP_SET, kernelName(e.SetName))
				b = appendNumber(b, unix.NFTA_LOOKUP_SREG, e.SourceRegister)
				if e.IsDestRegSet {
					b = appendNumber(b, unix.NFTA_LOOKUP_DREG, e.DestRegister)
				}
				if e.Invert {
					b = appendNumber(b, unix.NFTA_LOOKUP_FLAGS, unix.NFT_LOOKUP_F_INV)
				}
				return b
			})
		case *expr.Objref:
			return appendNamed(b, "objref", func(b []byte) []byte {
				return appendText(appendNumber(b, unix.NFTA_OBJREF_IMM_TYPE, uint32(e.Type)), unix.NFTA_OBJREF_IMM_NAME, e.Name)
			})
		case *expr.Verdict:
			return appendNamed(b, "immediate", func(b []byte) []byte {
				b = appendNumber(b, unix.NFTA_IMMEDIATE_DREG, unix.NFT_REG_VERDICT)
				return appendNest(b, unix.NFTA_IMMEDIATE_DATA, func(b []byte) []byte {
					return appendNest(b, unix.NFTA_DATA_VERDICT, func(b []byte) []byte { return appendVerdict(b, int32(e.Kind), e.Chain) })
				})
			})
		}
		data, err := expr.Marshal(unix.NFPROTO_INET, e)
		if err != nil {
			failed = fmt.Errorf("write %T: %w", e, err)
		}
		return append(b, data...)
	})
	return b, failed
}

func appendNamed(b []byte, name string, data func([]byte) []byte) []byte {
	return appendNest(appendText(b, unix.NFTA_EXPR_NAME, name), unix.NFTA_EXPR_DATA, data)
}

// appendVerdict appends what a verdict is, and the chain to which it leads if it does.
func appendVerdict(b []byte, code int32, chain string) []byte {
	b = appendNumber(b, unix.NFTA_VERDICT_CODE, uint32(code))
	if chain != "" {
		b = appendText(b, unix.NFTA_VERDICT_CHAIN, chain)
	}
	return b
}
