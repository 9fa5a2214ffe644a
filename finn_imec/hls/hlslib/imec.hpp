/****************************************************************************
 * @file	imec.hpp
 * @brief	Streaming convolution for Vitis HLS: sliding window and
 *		matrix-vector unit in one, over an in-place line buffer.
 *
 * @description
 *	ofm[y][x][m] = act( sum_{kh,kw,c} ifm[y*SH + kh*DH][x*SW + kw*DW][c] * w[kh][kw][c][m] )
 *
 *	DEPTHWISE sums over c = m only: each output channel from its own input channel.
 *
 *	Needs only ap_int.h, hls_stream.h and C++14. Usable in any project:
 *
 *	  using layer = imec::geometry<3,3, 32,32, 16,32, 1,1, 1,1, 16,4>;
 *	  using pass  = imec::pass_through<ap_int<16>>;
 *	  static imec::weight_array<layer, ap_int<4>> const weights = {...};
 *
 *	  void top(hls::stream<ap_uint<16*4>> &in, hls::stream<ap_uint<4*16>> &out) {
 *	  #pragma HLS interface axis port=in
 *	  #pragma HLS interface axis port=out
 *	  #pragma HLS interface ap_ctrl_none port=return
 *	  #pragma HLS dataflow disable_start_propagation
 *	  #pragma HLS array_reshape variable=weights complete dim=2
 *	  #pragma HLS array_reshape variable=weights complete dim=3
 *	  #pragma HLS bind_storage variable=weights type=rom_1p impl=bram
 *		imec::conv<layer, ap_uint<4>, ap_int<4>, ap_int<16>, imec::ram_block>(
 *			in, out, weights, pass()
 *		);
 *	  }
 *
 * Streams
 *	NHWC raster order, SIMD_IN channels per input word, PE channels per output word,
 *	element 0 in the least significant bits. A bipolar element is one bit, 0 for -1.
 *
 * Weights
 *	weights[nf*SF + sf][pe] holds SIMD weights of output channel nf*PE + pe, where
 *	sf counts (kh, kw, c) in this order, c fastest, like FINN's weight rows. If SIMD < C
 *	does not divide C, they are in another order, see gearbox.
 *	If DEPTHWISE, SIMD is 1 and sf counts (kh, kw).
 *
 * Memory
 *	The line buffer holds the input from a window's first to its last pixel only,
 *	DEPTH = ((KH-1)*DH*W + (KW-1)*DW + 1) * CF words in one circular memory:
 *
 *	   row y     . . . [o o o x x x x x      o  read by this window
 *	   row y+1   x x x  o o o x x x x x      x  live, read by later windows
 *	   row y+2   x x x  o o o] . . . . .     .  retired or yet to come
 *
 *	The window's first run of words is read for the last time in the last neuron
 *	fold; a new word replaces each, at the address just read. There is no replay
 *	buffer: the line buffer is read NF = M/PE times. There is no window stream: a
 *	word is multiplied as soon as it is read.
 *
 *	A word holds WORD channels: SIMD or, if that does not divide C, C's least divisor
 *	above it. A pixel takes CF = C/WORD words, and each fold reads the whole window. If
 *	DEPTHWISE, a word holds the PE channels that a fold computes, PE p multiplies element
 *	p, and fold nf reads word nf of each pixel. So the window is read once, and every
 *	fold retires words.
 *
 * Loop nest
 *	One flat loop with II=1; an iteration either only writes a buffer word or
 *	reads one, multiplies it and, if that was its last read, replaces it:
 *
 *	  fill the buffer                                  DEPTH write-only
 *	  for y < OH, x < OW:                              one window
 *	    for nf < NF, kh < KH, kw < KW, cf < PIXEL:     read, multiply, accumulate
 *	      last nf, or DEPTHWISE: replace retired words
 *	    replace words retired in another way           write-only
 *	  consume what no window reads                     write-only
 *
 *	What a read needs of the loop nest is in registers when it comes: read_order runs a
 *	read ahead (read_plan). Between iterations an address then takes one addition and a
 *	choice by its sign, and the choice between reading and writing only a flag. Addresses
 *	and counters have the bits that they need.
 *
 *	iterations per frame =
 *	  OH*OW*SF*NF
 *	  + OH*(OW-1) * (ADVANCE_COLUMN - DIE_FOLDS*DIE_COLUMN)
 *	  + (OH-1)    * (ADVANCE_ROW    - DIE_FOLDS*DIE_ROW)
 *	  + ADVANCE_FRAME
 *
 *	imec_sequencer.sv needs DIE_FOLDS*min(RUN, ADVANCE_FRAME) fewer, because it overlaps
 *	the last window's reads with the next frame's first words. Added to this are the
 *	cycles in which the pipeline drains and restarts between frames, which only Vitis
 *	HLS reports. If SIMD_IN is no multiple of WORD, the channels of a buffer word, a
 *	word takes WORD/gcd(WORD, SIMD_IN) cycles to arrive. II=1 is by design, not
 *	measured: this header was written without Vitis HLS.
 *
 * Whole windows
 *	With SIMD > C the pixels of a window are in registers, a chain of columns; lines
 *	hold the rows above the newest pixel. An iteration takes a pixel and, if that
 *	completes a window, reads the window's first word; each further word takes one more:
 *
 *	  iterations per frame = H*W + OH*OW*(SF*NF - 1)
 *
 *	A line word is read W pixels, so at least W iterations, after it was written.
 *
 * Contract
 *	One call computes one frame: it takes exactly H_IN*W_IN*C/SIMD_IN input words and
 *	gives exactly OH*OW*NF output words. It never needs a pixel of the next frame, so
 *	the last frame completes without further input, and it keeps no state between
 *	calls. Under ap_ctrl_none frames follow each other. Reads block: an output may
 *	wait for the input words of its own frame, at most min(RUN, ADVANCE), that replace
 *	the words it reads last. The RTL does not wait.
 *
 * Dependences
 *	strip: a word is read again READS iterations after it was written at the earliest,
 *	the reads of a fold: SF, or fewer with a gearbox. Iterations that read no word only
 *	add to that. Take the word at offset o of the next window when the R last write-only
 *	iterations are still to come: R >= DEPTH-o, the word is read at position pos(o) of
 *	the window, and READS-pos(o) <= DEPTH-o words are read from o on, so the distance is
 *	at least READS. A word written in place as the k-th of its fold waits for READS-k
 *	iterations and then pos(o) >= k more.
 *	If DEPTHWISE, word c of window pixel q is read at pos(o) = c*SF + q, and
 *	R >= DEPTH-o >= (SF-q)*CF - c, so R + pos(o) >= SF + CF-1. A word written in place
 *	in fold c is read in fold c of a later window, NF*SF >= SF + CF-1 iterations later.
 *	This is the DISTANCE that the dependence pragma states. Up to a DISTANCE of 3, as with
 *	a 3x1 kernel and one word per pixel, the strip is in registers, whatever BUFFER says,
 *	because a memory's read latency may exceed that. So are lines of at most 3 columns.
 *	acc: the only other loop-carried value besides counters; one addition.
 *
 * What it does not do
 *	Pad with values other than 0; take weights at run time; pack several products into
 *	a DSP like FINN (Vitis HLS decides about multipliers).
 *
 * What the RTL has and C++ cannot express
 *	- one port that reads and writes an address in one cycle: here the line buffer is
 *	  a simple dual-port memory (48 instead of 64 bits per LUT site);
 *	- continuing when no input waits: a non-blocking read would do it, but then the
 *	  result of C simulation would depend on timing;
 *	- overlap of one frame's end with the next one's start;
 *	- LUT-exact counters: popcounts and adder trees are left to synthesis;
 *	- weights in UltraRAM, which has no initial content except on Versal.
 ***************************************************************************/
#ifndef IMEC_HPP
#define IMEC_HPP

#include <cstdint>
#include <type_traits>

#include <ap_int.h>
#include <hls_stream.h>

namespace imec {

//---------------------------------------------------------------------------
// Elements

/// One bit that stands for -1 (0) or +1 (1).
struct bipolar {
	static constexpr int  width = 1;
	bool  plus;
	bipolar() : plus(false) {}
	bipolar(ap_uint<1> const &code) : plus(code != 0) {}
};

/// One bit whose product is 1 if both are equal, else 0. FINN's MVAU uses it for BIPOLAR
/// activations with BIPOLAR weights, and in binaryXnorMode.
struct xnor {
	static constexpr int  width = 1;
	bool  plus;
	xnor() : plus(false) {}
	xnor(ap_uint<1> const &code) : plus(code != 0) {}
};

template<typename TAcc, typename TA, typename TW>
TAcc product(TA const &a, TW const &w) {
#pragma HLS inline
	return  a * w;
}
template<typename TAcc, typename TA>
TAcc product(TA const &a, bipolar const &w) {
#pragma HLS inline
	return  w.plus? TAcc(a) : TAcc(-a);
}
template<typename TAcc, typename TW>
TAcc product(bipolar const &a, TW const &w) {
#pragma HLS inline
	return  a.plus? TAcc(w) : TAcc(-w);
}
template<typename TAcc>
TAcc product(bipolar const &a, bipolar const &w) {
#pragma HLS inline
	return  a.plus == w.plus? 1 : -1;
}
template<typename TAcc>
TAcc product(xnor const &a, xnor const &w) {
#pragma HLS inline
	return  a.plus == w.plus? 1 : 0;
}

//---------------------------------------------------------------------------
// Constants

/**
 * Type of the entries of a constant array: exact in synthesis; a native integer in C simulation,
 * where tens of thousands of constructor calls would take minutes to compile.
 */
#ifdef __SYNTHESIS__
template<typename T> struct constant { using type = T; };
#else
template<typename T> struct constant;
template<int N> struct constant<ap_int <N>> { using type = std::int64_t; };
template<int N> struct constant<ap_uint<N>> { using type = std::uint64_t; };
#endif

constexpr unsigned min(unsigned const  a, unsigned const  b) { return  a < b? a : b; }
constexpr unsigned max(unsigned const  a, unsigned const  b) { return  a > b? a : b; }
constexpr unsigned gcd(unsigned const  a, unsigned const  b) { return  b == 0? a : gcd(b, a % b); }
/// Bits of the numbers 0..n
constexpr int bits(unsigned const  n) { return  n < 2? 1 : 1 + bits(n/2); }

/// The least divisor of n from `least` on, which is at most n
constexpr unsigned divisor_from(unsigned const  least, unsigned const  n) {
	return  n % least == 0? least : divisor_from(least+1, n);
}

/// A number below N
template<unsigned N>
using index = ap_uint<bits(N-1)>;
/// The next one, 0 after the last
template<unsigned N>
index<N> successor(index<N> const &i) {
#pragma HLS inline
	return  i == N-1? index<N>(0) : index<N>(i + 1);
}

//---------------------------------------------------------------------------
// Geometry

/**
 * Shapes, folding and schedule of one layer; heights before widths.
 * Kernel KH x KW, input H x W x C, M output channels, stride SH x SW, dilation DH x DW.
 * H x W includes TOP, LEFT, BOTTOM and RIGHT rows and columns of zeros, which are not streamed.
 * DEPTHWISE needs M = C and SIMD = 1.
 */
template<
	unsigned KH_, unsigned KW_, unsigned H_, unsigned W_, unsigned C_, unsigned M_,
	unsigned SH_ = 1, unsigned SW_ = 1, unsigned DH_ = 1, unsigned DW_ = 1,
	unsigned SIMD_ = C_, unsigned PE_ = M_, unsigned SIMD_IN_ = divisor_from(min(SIMD_, C_), C_),
	bool DEPTHWISE_ = false,
	unsigned TOP_ = 0, unsigned LEFT_ = 0, unsigned BOTTOM_ = 0, unsigned RIGHT_ = 0
>
struct geometry {
	static constexpr unsigned  KH = KH_, KW = KW_, H = H_, W = W_, C = C_, M = M_;
	static constexpr unsigned  SH = SH_, SW = SW_, DH = DH_, DW = DW_;
	static constexpr unsigned  SIMD = SIMD_, PE = PE_, SIMD_IN = SIMD_IN_;
	static constexpr bool      DEPTHWISE = DEPTHWISE_;
	static constexpr unsigned  TOP = TOP_, LEFT = LEFT_, BOTTOM = BOTTOM_, RIGHT = RIGHT_;

	static_assert(min(min(min(KH, KW), min(C, M)), min(min(SH, SW), min(DH, DW))) > 0,
		"imec: kernel, channels, stride and dilation must be at least 1");
	static_assert((KH-1)*DH < H, "imec: the dilated kernel must not be higher than the input");
	static_assert((KW-1)*DW < W, "imec: the dilated kernel must not be wider than the input");
	static_assert(TOP + BOTTOM < H && LEFT + RIGHT < W, "imec: padding must leave a pixel of the input");
	static_assert(SIMD > 0 && KH*KW*C % SIMD == 0, "imec: SIMD must divide the window's KH*KW*C");
	static_assert(SIMD_IN > 0 && C % SIMD_IN == 0, "imec: SIMD_IN must divide the input channels C");
	static_assert(PE > 0 && M % PE == 0, "imec: PE must divide the output channels M");
	static_assert(!DEPTHWISE || M == C, "imec: DEPTHWISE needs as many output as input channels, M = C");
	static_assert(!DEPTHWISE || SIMD == 1, "imec: DEPTHWISE needs SIMD 1; a strip word holds PE channels");

	// Streamed image, output shape, and folds
	static constexpr unsigned  H_IN = H - TOP - BOTTOM;
	static constexpr unsigned  W_IN = W - LEFT - RIGHT;
	static constexpr bool      PADDED = H_IN < H || W_IN < W;
	static constexpr unsigned  OH = (H - (KH-1)*DH - 1)/SH + 1;
	static constexpr unsigned  OW = (W - (KW-1)*DW - 1)/SW + 1;
	static constexpr bool      WINDOWS = SIMD > C;	// whole windows in registers
	static constexpr unsigned  WORD = DEPTHWISE? PE : divisor_from(min(SIMD, C), C);	// channels of a buffer word
	static constexpr bool      GEARED = !DEPTHWISE && SIMD < WORD;	// see gearbox
	static constexpr unsigned  CF = C/WORD;
	static constexpr unsigned  PIXEL = DEPTHWISE? 1 : CF;	// words of a pixel that a fold reads
	static constexpr unsigned  SF = DEPTHWISE? KH*KW : KH*KW*C/SIMD;
	static constexpr unsigned  READS = GEARED? KH*KW*PIXEL : SF;	// of a fold
	static constexpr unsigned  NF = M/PE;

	// Buffer words, and address steps modulo DEPTH: from a fold's last word of a pixel to its first
	// of the next pixel in the window, and from the last word of a fold to the first of the next
	static constexpr unsigned  DEPTH = ((KH-1)*DH*W + (KW-1)*DW + 1)*CF;
	static constexpr unsigned  COLUMN_STEP = DW*CF - (PIXEL-1);
	static constexpr unsigned  ROW_STEP = (DH*W - (KW-1)*DW)*CF - (PIXEL-1);
	static constexpr unsigned  FOLD_STEP = DEPTHWISE? CF + 1 : 1;

	// Consecutive words from a fold's first on
	static constexpr unsigned  RUN =
		KW > 1 && COLUMN_STEP > 1? PIXEL : KH > 1 && ROW_STEP > 1? KW*PIXEL : READS;

	// Minimum number of iterations from the write of a buffer word to its read
	static constexpr unsigned  DISTANCE = DEPTHWISE? SF + CF-1 : READS;

	// Words retired when the window advances, and how many of them each of DIE_FOLDS folds replaces
	// as it reads them
	static constexpr unsigned  DIE_FOLDS = DEPTHWISE? NF : 1;
	static constexpr unsigned  ADVANCE_COLUMN = SW*CF;
	static constexpr unsigned  ADVANCE_ROW    = (SH*W - (OW-1)*SW)*CF;
	static constexpr unsigned  ADVANCE_FRAME  = (H*W - (OH-1)*SH*W - (OW-1)*SW)*CF;
	static constexpr unsigned  DIE_COLUMN = min(RUN, ADVANCE_COLUMN);
	static constexpr unsigned  DIE_ROW    = min(RUN, ADVANCE_ROW);

	// Write-only iterations after the last read of a window that another one in the row follows, of the
	// row's last window, and of the frame's; the first window waits for DEPTH of them
	static constexpr unsigned  OWED_COLUMN = ADVANCE_COLUMN - DIE_FOLDS*DIE_COLUMN;
	static constexpr unsigned  OWED_ROW    = ADVANCE_ROW    - DIE_FOLDS*DIE_ROW;
	static constexpr unsigned  OWED_FRAME  = ADVANCE_FRAME  - DEPTH;
	static constexpr unsigned  MOST_OWED = max(max(DEPTH, OWED_FRAME), max(OWED_COLUMN, OWED_ROW));

	static constexpr unsigned  ITERATIONS =
		WINDOWS? H*W + OH*OW*(SF*NF - 1) :
		OH*OW*SF*NF
		+ OH*(OW-1)*OWED_COLUMN
		+ (OH-1)*OWED_ROW
		+ ADVANCE_FRAME;
};

//---------------------------------------------------------------------------
// Weights

/// Weights of one PE in one iteration: SIMD weights in limbs of whole weights, at most 64 bits each.
template<typename G, typename TW>
struct weight_layout {
	static constexpr unsigned  LANES = min(G::SIMD, 64/TW::width);	// weights per limb
	static constexpr unsigned  LIMBS = (G::SIMD + LANES-1)/LANES;
	using limb  = typename constant<ap_uint<LANES*TW::width>>::type;
	using array = limb[G::NF*G::SF][G::PE][LIMBS];
};
template<typename G, typename TW>
using weight_array = typename weight_layout<G, TW>::array;

//---------------------------------------------------------------------------
// Memory of the line buffer, for bind_storage

struct ram_auto {
	template<typename T> static void bind(T &memory) {
#pragma HLS inline
#pragma HLS bind_storage variable=memory type=ram_s2p
		(void)memory;
	}
};
struct ram_distributed {
	template<typename T> static void bind(T &memory) {
#pragma HLS inline
#pragma HLS bind_storage variable=memory type=ram_s2p impl=lutram
		(void)memory;
	}
};
struct ram_block {
	template<typename T> static void bind(T &memory) {
#pragma HLS inline
#pragma HLS bind_storage variable=memory type=ram_s2p impl=bram
		(void)memory;
	}
};
struct ram_ultra {
	template<typename T> static void bind(T &memory) {
#pragma HLS inline
#pragma HLS bind_storage variable=memory type=ram_s2p impl=uram
		(void)memory;
	}
};

struct registers {
	template<typename T> static void bind(T &memory) {
#pragma HLS inline
#pragma HLS array_partition variable=memory complete dim=1
		(void)memory;
	}
};
/// BUFFER, or registers where a word is read so soon after it was written that no memory is sure to keep II=1.
template<unsigned DISTANCE, typename BUFFER>
using storage = typename std::conditional<DISTANCE <= 3, registers, BUFFER>::type;

//---------------------------------------------------------------------------
// Activations: (neuron fold, PE, accumulator) -> code of the output element

/// Gives the accumulators unchanged, as TO.
template<typename TO>
struct pass_through {
	static constexpr int  width = TO::width;

	template<typename TAcc>
	ap_uint<width> operator()(unsigned const, unsigned const, TAcc const &acc) const {
#pragma HLS inline
		return  TO(acc);
	}
};

/**
 * BASE plus the number of thresholds t with t <= acc, in WIDTH bits.
 * An aggregate: values[nf][pe] are the STEPS thresholds of channel nf*PE + pe, of type TAcc.
 */
template<typename G, typename TAcc, unsigned STEPS, int WIDTH, int BASE = 0>
struct thresholds {
	static constexpr int  width = WIDTH;
	typename constant<TAcc>::type  values[G::NF][G::PE][STEPS];

	ap_uint<width> operator()(unsigned const  nf, unsigned const  pe, TAcc const &acc) const {
#pragma HLS inline
		ap_int<WIDTH+1>  code = BASE;
		for(unsigned  i = 0; i < STEPS; i++) {
#pragma HLS unroll
			code += TAcc(values[nf][pe][i]) <= acc? 1 : 0;
		}
		return  code;
	}
};

//---------------------------------------------------------------------------
// Width conversion

/**
 * Converts one frame from words of SIMD_IN elements to words of WORD elements, of BITS each.
 * An iteration moves gcd(SIMD_IN, WORD) elements; II=1.
 */
template<typename G, int BITS>
void convert(
	hls::stream<ap_uint<G::SIMD_IN*BITS>> &src,
	hls::stream<ap_uint<G::WORD   *BITS>> &dst
) {
	constexpr unsigned  COMMON = gcd(G::SIMD_IN, G::WORD);
	constexpr unsigned  PARTS_IN  = G::SIMD_IN/COMMON;
	constexpr unsigned  PARTS_OUT = G::WORD/COMMON;
	constexpr int       PART_BITS = COMMON*BITS;

	ap_uint<G::SIMD_IN*BITS>  x = 0;
	ap_uint<G::WORD   *BITS>  y = 0;
	index<PARTS_IN>   in = 0;
	index<PARTS_OUT>  out = 0;
	for(unsigned  i = 0; i < G::H_IN*G::W_IN*G::C/COMMON; i++) {
#pragma HLS pipeline II=1 style=flp
		if(in == 0)  x = src.read();
		ap_uint<PART_BITS> const  part = x(PART_BITS-1, 0);
		x >>= PARTS_IN == 1? 0 : PART_BITS;
		y >>= PARTS_OUT == 1? 0 : PART_BITS;
		y(G::WORD*BITS - 1, G::WORD*BITS - PART_BITS) = part;
		if(out == PARTS_OUT-1)  dst.write(y);
		in  = successor<PARTS_IN>(in);
		out = successor<PARTS_OUT>(out);
	}
}

//---------------------------------------------------------------------------
// Padding

/// Adds the zeros around one frame of buffer words; II=1.
template<typename G, int BITS>
void pad(
	hls::stream<ap_uint<G::WORD*BITS>> &src,
	hls::stream<ap_uint<G::WORD*BITS>> &dst
) {
	index<G::CF>  cf = 0;
	index<G::W>   x = 0;
	index<G::H>   y = 0;
	for(unsigned  i = 0; i < G::H*G::W*G::CF; i++) {
#pragma HLS pipeline II=1 style=flp
		bool const  inside = G::TOP <= y && y < G::H-G::BOTTOM && G::LEFT <= x && x < G::W-G::RIGHT;
		ap_uint<G::WORD*BITS>  word = 0;
		if(inside)  word = src.read();
		dst.write(word);
		bool const  pixel_end = cf == G::CF-1;
		bool const  row_end   = pixel_end && x == G::W-1;
		cf = successor<G::CF>(cf);
		if(pixel_end)  x = successor<G::W>(x);
		if(row_end)    y = successor<G::H>(y);
	}
}

//---------------------------------------------------------------------------
// Convolution

/// A step of addresses modulo N, both as it is and less N: a step is one addition and a choice by a sign.
template<unsigned N>
struct ring_step {
	index<N>  step;
	ap_int<bits(N)+1>  back;
	ring_step(unsigned const  n = 0) : step(n), back(int(n) - int(N)) {}

	index<N> from(index<N> const &address) const {
#pragma HLS inline
		ap_int<bits(N)+1> const  wrapped = address + back;
		return  wrapped < 0? index<N>(address + step) : index<N>(wrapped);
	}
};

/// All that depends on where in a frame a buffer word is read.
template<typename G>
struct read_plan {
	bool  fold_first, fold_end, window_end;	// the first or last word of its fold, the last of its window
	bool  replaced;	// a new word takes its place
	index<G::NF>  nf;
	ring_step<G::DEPTH>  step;	// to the next word
	ap_uint<bits(G::MOST_OWED)>  owed;	// write-only iterations before the next word
};

/**
 * The loop nest of the reads. It runs a read ahead: plan() is of the next word and kept in registers, so that
 * no counter is compared, and no step chosen, in the iteration in which the word is read.
 */
template<typename G>
struct read_order {
	index<G::PIXEL>  cf = 0;
	index<G::KW>  kw = 0;
	index<G::READS>  read = 0;
	index<G::NF>  nf = 0;
	index<G::OW>  x = 0;
	index<G::OH>  y = 0;

	read_plan<G> plan() {
#pragma HLS inline
		constexpr unsigned  DEPTH = G::DEPTH;
		bool const  last_fold   = nf == G::NF-1;
		bool const  last_column = x == G::OW-1;
		bool const  last_row    = y == G::OH-1;
		bool const  pixel_end  = cf == G::PIXEL-1;
		bool const  column_end = pixel_end && kw == G::KW-1;
		unsigned const  dying =
			!last_fold && !G::DEPTHWISE? 0 : !last_column? G::DIE_COLUMN : !last_row? G::DIE_ROW : 0;

		read_plan<G>  p;
		p.fold_first = read == 0;
		p.fold_end   = read == G::READS-1;
		p.window_end = p.fold_end && last_fold;
		p.replaced   = read < dying;
		p.nf = nf;
		// A window's first word is 1 modulo DEPTH after its last
		unsigned const  step =
			p.window_end? (
				!last_column? (G::ADVANCE_COLUMN + 1) % DEPTH :
				!last_row?    (G::ADVANCE_ROW    + 1) % DEPTH : 1 % DEPTH
			) :
			p.fold_end? G::FOLD_STEP % DEPTH :
			!pixel_end? 1 % DEPTH :
			!column_end? G::COLUMN_STEP % DEPTH : G::ROW_STEP % DEPTH;
		p.step = ring_step<DEPTH>(step);
		unsigned const  owed = !last_column? G::OWED_COLUMN : !last_row? G::OWED_ROW : G::OWED_FRAME;
		p.owed = p.window_end? owed : 0;

		cf = successor<G::PIXEL>(cf);
		if(pixel_end)  kw = successor<G::KW>(kw);
		read = successor<G::READS>(read);
		if(p.fold_end)  nf = successor<G::NF>(nf);
		if(p.window_end) {
			x = successor<G::OW>(x);
			if(last_column)  y = successor<G::OH>(y);
		}
		return  p;
	}
};

/**
 * Makes SIMD channels of words of WORD, for SIMD < C that does not divide C, as imec_gearbox.sv does: lanes
 * from the top on take what is left of the word before, and the others come from the next word. If SIMD
 * channels are left, no word is read. No channel moves to another lane than it has in its word, or in a piece
 * of SIMD channels from the word's top; the weights follow.
 */
template<typename G, typename TA, bool GEARED = G::GEARED>
struct gearbox {
	TA  held[G::WORD];	// the word before
	ap_uint<bits(G::WORD)>  left = 0;	// channels of it
	ap_uint<bits(G::WORD)>  end = G::WORD;	// of the piece that comes next
	bool  fold_end = false;	// it is its fold's last
	index<G::NF>  nf = 0;

	gearbox() {
#pragma HLS inline
#pragma HLS array_partition variable=held complete
	}
	bool full() const {
#pragma HLS inline
		return  left >= G::SIMD;
	}
	/// Lanes from `from` on out of the word before.
	void keep(TA (&a)[G::WORD], unsigned const  from) const {
#pragma HLS inline
		for(unsigned  l = 0; l < G::SIMD; l++) {
#pragma HLS unroll
			if(l >= from)  a[l] = held[end - G::SIMD + l];
		}
	}
	void next(TA (&a)[G::WORD]) {
#pragma HLS inline
		keep(a, 0);
		left -= G::SIMD;
		end  -= G::SIMD;
	}
	void take(TA (&a)[G::WORD], read_plan<G> const &read) {
#pragma HLS inline
		TA  word[G::WORD];
#pragma HLS array_partition variable=word complete
		for(unsigned  l = 0; l < G::WORD; l++) {
#pragma HLS unroll
			word[l] = a[l];
		}
		keep(a, G::SIMD - left);
		for(unsigned  l = 0; l < G::WORD; l++) {
#pragma HLS unroll
			held[l] = word[l];
		}
		left += G::WORD - G::SIMD;
		end = G::WORD;
		fold_end = read.fold_end;
		nf = read.nf;
	}
};
/// None: a word is what is multiplied.
template<typename G, typename TA>
struct gearbox<G, TA, false> {
	static constexpr unsigned  left = 0, nf = 0;
	static constexpr bool  fold_end = false;

	bool full() const { return  false; }
	void next(TA (&)[G::WORD]) {}
	void take(TA (&)[G::WORD], read_plan<G> const &) {}
};

/**
 * Multiply SIMD activations by a weight word, accumulate, and write the result if they are the
 * fold's last. If DEPTHWISE, PE pe takes activation a[pe] only.
 */
template<typename G, typename TA, typename TW, typename TAcc, unsigned N, typename ACT>
void accumulate(
	TA const (&a)[N], typename weight_layout<G, TW>::limb const (&w)[G::PE][weight_layout<G, TW>::LIMBS],
	bool const  first, bool const  last, unsigned const  nf,
	TAcc (&acc)[G::PE], ACT const &activation, hls::stream<ap_uint<G::PE*ACT::width>> &dst
) {
#pragma HLS inline
	constexpr int       O = ACT::width;
	constexpr unsigned  LANES = weight_layout<G, TW>::LANES;
	for(unsigned  pe = 0; pe < G::PE; pe++) {
#pragma HLS unroll
		TAcc  sum = first? TAcc(0) : acc[pe];
		for(unsigned  l = 0; l < G::SIMD; l++) {
#pragma HLS unroll
			TW const  weight = TW(ap_uint<TW::width>(w[pe][l/LANES] >> (l%LANES*TW::width)));
			sum += product<TAcc>(a[G::DEPTHWISE? pe : l], weight);
		}
		acc[pe] = sum;
	}
	if(last) {
		ap_uint<G::PE*O>  result = 0;
		for(unsigned  pe = 0; pe < G::PE; pe++) {
#pragma HLS unroll
			result((pe+1)*O - 1, pe*O) = activation(nf, pe, acc[pe]);
		}
		dst.write(result);
	}
}

/// One padded frame, in stream words as wide as buffer words. See the head of this file.
template<typename G, typename TA, typename TW, typename TAcc, typename BUFFER, typename ACT>
void convolve(
	hls::stream<ap_uint<G::WORD*TA::width>> &src,
	hls::stream<ap_uint<G::PE*ACT::width>> &dst,
	weight_array<G, TW> const &weights,
	ACT const &activation,
	std::false_type
) {
	constexpr int       A = TA::width;
	constexpr unsigned  DEPTH = G::DEPTH;
	constexpr unsigned  DISTANCE = G::DISTANCE;

	ap_uint<G::WORD*A>  strip[DEPTH];
	storage<DISTANCE, BUFFER>::bind(strip);

	TAcc  acc[G::PE];
#pragma HLS array_partition variable=acc complete
	for(unsigned  pe = 0; pe < G::PE; pe++) {
#pragma HLS unroll
		acc[pe] = 0;
	}

	read_order<G>  order;
	read_plan<G>  now = order.plan();	// of the word at read_addr
	ap_uint<bits(G::MOST_OWED)>  owed = DEPTH;	// buffer words to write before it is read
	bool  write_only = true;	// owed > 0
	index<DEPTH>  write_addr = 0, read_addr = 0;
	index<G::SF*G::NF>  weight_addr = 0;
	gearbox<G, TA>  gears;
	for(unsigned  i = 0; i < G::ITERATIONS; i++) {
#pragma HLS pipeline II=1 style=flp
#pragma HLS dependence variable=strip inter RAW distance=DISTANCE true
		(void)DISTANCE;
		ap_uint<G::WORD*A>  word = 0;
		if(gears.full()) {
			TA  a[G::WORD];
#pragma HLS array_partition variable=a complete
			gears.next(a);
			accumulate<G, TA, TW, TAcc>(
				a, weights[weight_addr], false, gears.fold_end && gears.left == 0, gears.nf, acc, activation, dst
			);
			weight_addr = successor<G::SF*G::NF>(weight_addr);
			continue;
		}
		if(!write_only)  word = strip[read_addr];
		if(write_only || now.replaced) {	// if replaced, read_addr == write_addr
			strip[write_addr] = src.read();
			write_addr = successor<DEPTH>(write_addr);
		}
		if(write_only) {
			write_only = owed != 1;
			owed--;
		}
		else {
			TA  a[G::WORD];
#pragma HLS array_partition variable=a complete
			for(unsigned  l = 0; l < G::WORD; l++) {
#pragma HLS unroll
				a[l] = TA(ap_uint<A>(word((l+1)*A - 1, l*A)));
			}
			gears.take(a, now);
			accumulate<G, TA, TW, TAcc>(
				a, weights[weight_addr], now.fold_first, now.fold_end && !G::GEARED, now.nf, acc, activation, dst
			);
			read_addr = now.step.from(read_addr);
			weight_addr = now.window_end && !G::GEARED?
				index<G::SF*G::NF>(0) : index<G::SF*G::NF>(weight_addr + 1);
			owed = now.owed;
			write_only = now.owed != 0;
			now = order.plan();
		}
	}
}

/// Step to the next position of an axis; `wait` counts the positions before one that ends a window.
template<unsigned N, unsigned SPAN, unsigned STRIDE>
void advance(index<N> &position, index<max(SPAN, STRIDE)> &wait) {
#pragma HLS inline
	bool const  last = position == N-1;
	unsigned const  again = last? SPAN-1 : STRIDE-1;
	wait = last || wait == 0? index<max(SPAN, STRIDE)>(again) : index<max(SPAN, STRIDE)>(wait - 1);
	position = successor<N>(position);
}

/// The same with SIMD > C, whole windows in registers. See the head of this file.
template<typename G, typename TA, typename TW, typename TAcc, typename BUFFER, typename ACT>
void convolve(
	hls::stream<ap_uint<G::WORD*TA::width>> &src,
	hls::stream<ap_uint<G::PE*ACT::width>> &dst,
	weight_array<G, TW> const &weights,
	ACT const &activation,
	std::true_type
) {
	constexpr int       A = TA::width;
	constexpr unsigned  SPAN_H = (G::KH-1)*G::DH + 1, SPAN_W = (G::KW-1)*G::DW + 1;
	constexpr unsigned  ROWS = SPAN_H > 1? SPAN_H-1 : 1;	// above the newest; one unused row if there is none
	constexpr unsigned  DISTANCE = G::W;
	using pixel = ap_uint<G::C*A>;

	pixel  lines[G::W][ROWS];	// newest first
#pragma HLS array_reshape variable=lines complete dim=2
	storage<DISTANCE, BUFFER>::bind(lines);

	pixel  chain[SPAN_W][G::KH];	// columns, newest first, from the top
#pragma HLS array_partition variable=chain complete dim=0

	TAcc  acc[G::PE];
#pragma HLS array_partition variable=acc complete
	for(unsigned  pe = 0; pe < G::PE; pe++) {
#pragma HLS unroll
		acc[pe] = 0;
	}

	bool  reading = false;
	index<G::W>  x = 0;
	index<G::H>  y = 0;
	index<max(SPAN_W, G::SW)>  wait_x = SPAN_W-1;
	index<max(SPAN_H, G::SH)>  wait_y = SPAN_H-1;
	index<G::SF>  sf = 0;
	index<G::NF>  nf = 0;
	index<G::SF*G::NF>  weight_addr = 0;
	for(unsigned  i = 0; i < G::ITERATIONS; i++) {
#pragma HLS pipeline II=1 style=flp
#pragma HLS dependence variable=lines inter RAW distance=DISTANCE true
		(void)DISTANCE;
		if(!reading) {
			pixel  column[ROWS+1];	// newest first
#pragma HLS array_partition variable=column complete
			column[0] = src.read();
			for(unsigned  r = 0; r < ROWS; r++) {
#pragma HLS unroll
				column[r+1] = lines[x][r];
			}
			for(unsigned  r = 0; r < ROWS; r++) {
#pragma HLS unroll
				lines[x][r] = column[r];
			}
			for(unsigned  kh = 0; kh < G::KH; kh++) {
#pragma HLS unroll
				for(unsigned  t = SPAN_W-1; t > 0; t--) {
#pragma HLS unroll
					chain[t][kh] = chain[t-1][kh];
				}
				chain[0][kh] = column[(G::KH-1-kh)*G::DH];
			}
			reading = wait_x == 0 && wait_y == 0;
			if(x == G::W-1)  advance<G::H, SPAN_H, G::SH>(y, wait_y);
			advance<G::W, SPAN_W, G::SW>(x, wait_x);
		}
		if(reading) {
			TA  window[G::SF][G::SIMD];
#pragma HLS array_partition variable=window complete dim=0
			for(unsigned  n = 0; n < G::KH*G::KW*G::C; n++) {
#pragma HLS unroll
				unsigned const  c = n % G::C, kw = n / G::C % G::KW, kh = n / G::C / G::KW;
				pixel const  p = chain[(G::KW-1-kw)*G::DW][kh];
				window[n/G::SIMD][n%G::SIMD] = TA(ap_uint<A>(p((c+1)*A - 1, c*A)));
			}
			bool const  fold_end = sf == G::SF-1;
			accumulate<G, TA, TW, TAcc>(
				window[sf], weights[weight_addr], sf == 0, fold_end, nf, acc, activation, dst
			);
			reading = !fold_end || nf != G::NF-1;
			weight_addr = successor<G::SF*G::NF>(weight_addr);
			sf = successor<G::SF>(sf);
			if(fold_end)  nf = successor<G::NF>(nf);
		}
	}
}

template<typename G, typename TA, typename TW, typename TAcc, typename BUFFER, typename ACT>
void conv_padded(
	hls::stream<ap_uint<G::WORD*TA::width>> &src, hls::stream<ap_uint<G::PE*ACT::width>> &dst,
	weight_array<G, TW> const &weights, ACT const &activation, std::false_type
) {
#pragma HLS inline
	convolve<G, TA, TW, TAcc, BUFFER>(
		src, dst, weights, activation, std::integral_constant<bool, G::WINDOWS>()
	);
}
template<typename G, typename TA, typename TW, typename TAcc, typename BUFFER, typename ACT>
void conv_padded(
	hls::stream<ap_uint<G::WORD*TA::width>> &src, hls::stream<ap_uint<G::PE*ACT::width>> &dst,
	weight_array<G, TW> const &weights, ACT const &activation, std::true_type
) {
#pragma HLS inline
	hls::stream<ap_uint<G::WORD*TA::width>>  padded("imec_padded_words");
#pragma HLS stream variable=padded depth=2
	pad<G, TA::width>(src, padded);
	convolve<G, TA, TW, TAcc, BUFFER>(
		padded, dst, weights, activation, std::integral_constant<bool, G::WINDOWS>()
	);
}

template<typename G, typename TA, typename TW, typename TAcc, typename BUFFER, typename ACT>
void conv_as_wide(
	hls::stream<ap_uint<G::SIMD_IN*TA::width>> &src, hls::stream<ap_uint<G::PE*ACT::width>> &dst,
	weight_array<G, TW> const &weights, ACT const &activation, std::true_type
) {
#pragma HLS inline
	conv_padded<G, TA, TW, TAcc, BUFFER>(
		src, dst, weights, activation, std::integral_constant<bool, G::PADDED>()
	);
}
template<typename G, typename TA, typename TW, typename TAcc, typename BUFFER, typename ACT>
void conv_as_wide(
	hls::stream<ap_uint<G::SIMD_IN*TA::width>> &src, hls::stream<ap_uint<G::PE*ACT::width>> &dst,
	weight_array<G, TW> const &weights, ACT const &activation, std::false_type
) {
#pragma HLS inline
	hls::stream<ap_uint<G::WORD*TA::width>>  words("imec_strip_words");
#pragma HLS stream variable=words depth=2
	convert<G, TA::width>(src, words);
	conv_padded<G, TA, TW, TAcc, BUFFER>(
		words, dst, weights, activation, std::integral_constant<bool, G::PADDED>()
	);
}

/**
 * One frame of the layer G.
 *
 * TA	activation type: ap_int, ap_uint, bipolar or xnor, of 1..16 bits
 * TW	weight type: the same choice; xnor goes with xnor
 * TAcc	accumulator: ap_int or ap_uint that holds every result and every threshold
 * BUFFER	memory of the line buffer: ram_auto, ram_distributed, ram_block, ram_ultra; see
 *	Dependences for when it is in registers
 * ACT	pass_through, thresholds or any type with the same interface
 */
template<typename G, typename TA, typename TW, typename TAcc, typename BUFFER = ram_auto, typename ACT>
void conv(
	hls::stream<ap_uint<G::SIMD_IN*TA::width>> &src,
	hls::stream<ap_uint<G::PE*ACT::width>> &dst,
	weight_array<G, TW> const &weights,
	ACT const &activation
) {
#pragma HLS inline
	static_assert(TA::width <= 16 && TW::width <= 16, "imec: activations and weights have at most 16 bits");
	static_assert(!G::PADDED || !std::is_same<TA, bipolar>::value, "imec: bipolar activations have no 0 to pad with");
	static_assert(std::is_same<TA, xnor>::value == std::is_same<TW, xnor>::value,
		"imec: xnor activations go with xnor weights only");
	static_assert(TAcc::width <= 63, "imec: the accumulator has at most 63 bits");
	conv_as_wide<G, TA, TW, TAcc, BUFFER>(
		src, dst, weights, activation, std::integral_constant<bool, G::SIMD_IN == G::WORD>()
	);
}

} // namespace imec

#endif
