/****************************************************************************
 * @brief	Testbench of imec.hpp: random data against a plain convolution.
 *
 * @description
 *	Each check runs several frames back to back and compares every output word
 *	with a sum over the input array that has no line buffer, schedule or words.
 *	Exit code 0 if all agree. In co-simulation only imec_example is in RTL.
 ***************************************************************************/
#include "imec_example.hpp"

#include <cstdio>
#include <random>
#include <vector>

static std::mt19937  rng(1);
static unsigned  failures = 0;

// Value of an element from its code, and product of two values, without imec.hpp
template<typename T> struct plain;
template<int N> struct plain<ap_uint<N>> {
	static long value(unsigned const  code) { return  code; }
};
template<int N> struct plain<ap_int<N>> {
	static long value(unsigned const  code) { return  code >> (N-1)? long(code) - (1L<<N) : long(code); }
};
template<> struct plain<imec::bipolar> {
	static long value(unsigned const  code) { return  code? 1 : -1; }
};
template<> struct plain<imec::xnor> : plain<imec::bipolar> {};

/// The layer's inputs, weights and expected accumulators.
template<typename G, typename TA, typename TW>
struct reference {
	static constexpr unsigned  C = G::DEPTHWISE? 1 : G::C;	// input channels of an output channel
	unsigned  ifm[G::H][G::W][G::C];
	unsigned  w[G::KH][G::KW][C][G::M];

	void random_input() {
		std::uniform_int_distribution<unsigned>  code(0, (1u<<TA::width) - 1);
		for(auto &row : ifm)  for(auto &pixel : row)  for(auto &c : pixel)  c = code(rng);
	}
	void random_weights() {
		std::uniform_int_distribution<unsigned>  code(0, (1u<<TW::width) - 1);
		for(auto &kh : w)  for(auto &kw : kh)  for(auto &c : kw)  for(auto &m : c)  m = code(rng);
	}
	void get_weights(imec::weight_array<G, TW> const &words) {
		each_weight([&](unsigned &code, unsigned a, unsigned pe, unsigned limb, unsigned shift) {
			code = unsigned(words[a][pe][limb] >> shift) & ((1u<<TW::width) - 1);
		});
	}
	void put_weights(imec::weight_array<G, TW> &words) {
		for(auto &a : words)  for(auto &pe : a)  for(auto &limb : pe)  limb = 0;
		each_weight([&](unsigned &code, unsigned a, unsigned pe, unsigned limb, unsigned shift) {
			words[a][pe][limb] |= (unsigned long long)code << shift;
		});
	}
	long acc(unsigned const  y, unsigned const  x, unsigned const  m) const {
		long  sum = 0;
		for(unsigned  kh = 0; kh < G::KH; kh++)  for(unsigned  kw = 0; kw < G::KW; kw++)  for(unsigned  c = 0; c < C; c++) {
			sum += plain<TA>::value(ifm[y*G::SH + kh*G::DH][x*G::SW + kw*G::DW][G::DEPTHWISE? m : c]) * plain<TW>::value(w[kh][kw][c][m]);
		}
		return  std::is_same<TA, imec::xnor>::value? (sum + long(G::KH*G::KW*C))/2 : sum;
	}
	void put_input(hls::stream<ap_uint<G::SIMD_IN*TA::width>> &in) const {
		for(auto &row : ifm)  for(auto &pixel : row)  for(unsigned  c = 0; c < G::C; c += G::SIMD_IN) {
			ap_uint<G::SIMD_IN*TA::width>  word = 0;
			for(unsigned  i = 0; i < G::SIMD_IN; i++)  word((i+1)*TA::width - 1, i*TA::width) = pixel[c + i];
			in.write(word);
		}
	}

private:
	template<typename F>
	void each_weight(F  f) {
		constexpr unsigned  LANES = imec::weight_layout<G, TW>::LANES;
		for(unsigned  kh = 0; kh < G::KH; kh++)  for(unsigned  kw = 0; kw < G::KW; kw++)  for(unsigned  c = 0; c < C; c++) {
			unsigned const  row = (kh*G::KW + kw)*C + c;
			unsigned const  lane = row % G::SIMD;
			for(unsigned  m = 0; m < G::M; m++) {
				f(w[kh][kw][c][m], m/G::PE*G::SF + row/G::SIMD, m%G::PE, lane/LANES, lane%LANES*TW::width);
			}
		}
	}
};

/// Compare one frame of output with `expected(acc, channel)`, the code of an element.
template<typename G, typename R, int O, typename F>
void compare(char const *const  name, R const &ref, hls::stream<ap_uint<G::PE*O>> &out, F  expected) {
	unsigned  wrong = 0;
	for(unsigned  y = 0; y < G::OH; y++)  for(unsigned  x = 0; x < G::OW; x++)  for(unsigned  nf = 0; nf < G::NF; nf++) {
		if(out.empty()) {
			std::printf("%s: output ends early\n", name);
			failures++;
			return;
		}
		ap_uint<G::PE*O> const  word = out.read();
		for(unsigned  pe = 0; pe < G::PE; pe++) {
			unsigned const  m = nf*G::PE + pe;
			ap_uint<O> const  want = expected(ref.acc(y, x, m), m);
			wrong += ap_uint<O>(word((pe+1)*O - 1, pe*O)) != want;
		}
	}
	if(wrong || !out.empty()) {
		std::printf("%s: %u elements differ, output is %s\n", name, wrong, out.empty()? "complete" : "too long");
		failures++;
	}
}

constexpr unsigned  FRAMES = 3;

template<typename G, typename TA, typename TW, typename TAcc>
void check_pass(char const *const  name) {
	static reference<G, TA, TW>  ref;
	static imec::weight_array<G, TW>  weights;
	ref.random_weights();
	ref.put_weights(weights);
	hls::stream<ap_uint<G::SIMD_IN*TA::width>>  in("in");
	hls::stream<ap_uint<G::PE*TAcc::width>>  out("out");
	for(unsigned  i = 0; i < FRAMES; i++) {
		ref.random_input();
		ref.put_input(in);
		imec::conv<G, TA, TW, TAcc>(in, out, weights, imec::pass_through<TAcc>());
		if(!in.empty()) {
			std::printf("%s: input left behind\n", name);
			failures++;
		}
		compare<G, decltype(ref), TAcc::width>(name, ref, out, [](long const  acc, unsigned) { return  ap_uint<TAcc::width>(acc); });
	}
}

template<typename G, typename TA, typename TW, typename TAcc, unsigned STEPS, int O, int BASE>
void check_thresholds(char const *const  name) {
	static reference<G, TA, TW>  ref;
	static imec::weight_array<G, TW>  weights;
	static imec::thresholds<G, TAcc, STEPS, O, BASE>  act;
	ref.random_weights();
	ref.put_weights(weights);
	std::uniform_int_distribution<int>  value(-20, 20);
	for(auto &nf : act.values)  for(auto &pe : nf)  for(auto &t : pe)  t = value(rng);
	hls::stream<ap_uint<G::SIMD_IN*TA::width>>  in("in");
	hls::stream<ap_uint<G::PE*O>>  out("out");
	for(unsigned  i = 0; i < FRAMES; i++) {
		ref.random_input();
		ref.put_input(in);
		imec::conv<G, TA, TW, TAcc, imec::ram_block>(in, out, weights, act);
		compare<G, decltype(ref), O>(name, ref, out, [](long const  acc, unsigned const  m) {
			int  code = BASE;
			for(auto const  t : act.values[m/G::PE][m%G::PE])  code += long(t) <= acc;
			return  ap_uint<O>(code);
		});
	}
}

static void check_example() {
	using namespace imec_example_params;
	static reference<layer, activation_type, weight_type>  ref;
	ref.get_weights(weights);
	hls::stream<ap_uint<16>>  in("in");
	hls::stream<ap_uint<6>>  out("out");
	for(unsigned  i = 0; i < FRAMES; i++) {
		ref.random_input();
		ref.put_input(in);
		imec_example(in, out);
		compare<layer, decltype(ref), 2>("imec_example", ref, out, [](long const  acc, unsigned const  m) {
			unsigned  code = 0;
			for(auto const  t : act.values[m/3][m%3])  code += long(t) <= acc;
			return  ap_uint<2>(code);
		});
	}
}

int main() {
	using imec::geometry;
	using imec::bipolar;
	using imec::xnor;

	check_example();

	// Kernel, input, channels, stride, dilation, SIMD, PE, SIMD_IN, DEPTHWISE
	check_pass<geometry<3,3, 7,6, 4,6>, ap_int<8>, ap_int<4>, ap_int<24>>("unfolded");
	check_pass<geometry<3,3, 7,6, 4,6, 1,1, 1,1, 2,3>, ap_uint<2>, ap_int<2>, ap_int<12>>("folded");
	check_pass<geometry<3,3, 7,6, 6,6, 1,1, 1,1, 1,1>, ap_uint<5>, ap_int<3>, ap_int<16>>("SIMD=PE=1");
	check_pass<geometry<1,1, 4,5, 4,4, 1,1, 1,1, 4,2>, ap_int<3>, ap_uint<3>, ap_int<12>>("1x1, one-word strip");
	check_pass<geometry<1,1, 7,8, 6,4, 2,3, 1,1, 2,2>, ap_int<3>, ap_int<3>, ap_int<12>>("1x1 strided");
	check_pass<geometry<2,2, 9,9, 2,4, 3,4, 1,1, 1,2>, ap_int<4>, ap_int<4>, ap_int<14>>("stride beyond kernel");
	check_pass<geometry<3,2, 9,8, 4,2, 2,1, 1,2, 2,2>, ap_uint<8>, ap_int<8>, ap_int<24>>("stride and dilation");
	check_pass<geometry<3,3, 9,8, 4,2, 1,1, 2,2, 2,1>, ap_uint<1>, ap_int<8>, ap_int<16>>("dilated");
	check_pass<geometry<4,1, 9,1, 3,2, 2,1>, ap_int<16>, ap_int<16>, ap_int<40>>("one column, 16 bits");
	check_pass<geometry<1,4, 1,9, 3,2, 1,2>, ap_int<2>, ap_int<2>, ap_int<10>>("one row");
	check_pass<geometry<5,4, 5,4, 4,4, 1,1, 1,1, 4,2>, ap_int<4>, ap_int<4>, ap_int<18>>("kernel as large as the input");
	check_pass<geometry<2,2, 5,5, 12,2, 1,1, 1,1, 2,1, 3>, ap_uint<3>, ap_int<4>, ap_int<16>>("SIMD_IN=3, SIMD=2");
	check_pass<geometry<2,2, 5,5, 12,2, 1,1, 1,1, 12,1, 1>, ap_uint<3>, ap_int<4>, ap_int<16>>("SIMD_IN=1, SIMD=12");
	check_pass<geometry<2,2, 5,5, 12,2, 1,1, 1,1, 4,2, 6>, bipolar, ap_int<2>, ap_int<12>>("bipolar activations");
	check_pass<geometry<2,3, 5,5, 4,2, 1,1, 1,1, 4,2>, ap_int<5>, bipolar, ap_int<12>>("bipolar weights");
	check_pass<geometry<2,3, 5,5, 4,2, 1,1, 1,1, 4,2>, bipolar, bipolar, ap_int<8>>("bipolar");
	check_pass<geometry<3,3, 6,6, 80,2, 1,1, 1,1, 80,2>, xnor, xnor, ap_uint<10>>("xnor, words beyond 64 bits");
	check_pass<geometry<2,2, 4,4, 24,2, 1,1, 1,1, 24,1>, ap_int<8>, ap_int<7>, ap_int<24>>("limbs that end inside a word");
	check_pass<geometry<3,3, 7,6, 6,6, 1,1, 1,1, 1,2, 2, true>, ap_int<4>, ap_int<4>, ap_int<12>>("depthwise");
	check_pass<geometry<3,2, 9,8, 6,6, 2,1, 1,2, 1,3, 2, true>, bipolar, bipolar, ap_int<8>>("depthwise, SIMD_IN=2, PE=3");
	check_pass<geometry<1,1, 5,4, 4,4, 2,2, 1,1, 1,1, 4, true>, ap_uint<3>, ap_int<3>, ap_int<7>>("depthwise 1x1");
	check_pass<geometry<3,3, 6,3, 4,4, 1,1, 1,1, 1,4, 4, true>, ap_uint<3>, ap_int<3>, ap_int<10>>("depthwise, one fold");
	check_thresholds<geometry<3,3, 6,6, 4,6, 1,1, 1,1, 2,3>, ap_uint<2>, ap_int<2>, ap_int<12>, 3, 2, 0>("thresholds");
	check_thresholds<geometry<3,3, 6,6, 4,6, 1,1, 1,1, 2,3>, ap_uint<2>, ap_int<2>, ap_int<12>, 15, 4, -8>("ActVal");
	check_thresholds<geometry<3,3, 6,6, 8,6, 1,1, 1,1, 8,6>, bipolar, bipolar, ap_int<9>, 1, 1, 0>("bipolar output");

	std::printf(failures? "%u checks FAILED\n" : "all checks passed\n", failures);
	return  failures? 1 : 0;
}
