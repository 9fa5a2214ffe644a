/****************************************************************************
 * @brief	Types and constant functions that several modules share.
 ***************************************************************************/
package imec_pkg;

	// PRIMITIVES of a module: its formula, fast to simulate; its structure, for any FPGA; its structure
	// in Xilinx' LUT6, LUT6_2, MUXF7, MUXF8, DSP48E1, DSP48E2 and DSP58
	localparam int unsigned  BEHAVIOR = 0, GENERIC = 1, XILINX = 2;

	localparam int unsigned  MAX_COLS = 40;
	// Column heights of a compressor tree: number of bits of weight 2^c in column c
	typedef bit [MAX_COLS-1:0][15:0]  heights_t;

	// Bits in the columns below c
	function automatic int unsigned bits_below(input heights_t  height, input int unsigned  c);
		automatic int unsigned  n = 0;
		for(int unsigned  i = 0; i < c; i++)  n += 32'(height[i]);
		return  n;
	endfunction : bits_below

	// Levels of imec_tree for n words, each shifted by that many bits more than the one before
	function automatic int unsigned tree_levels(input int unsigned  n, input int unsigned  shift);
		automatic int unsigned  levels = 0;
		automatic int unsigned  most = shift == 0? 3 : 2;
		for(int unsigned  left = n; left > 1; left = (left + most-1)/most)  levels++;
		return  levels;
	endfunction : tree_levels

	// Largest sum of n words up to max, shifted the same way
	function automatic int unsigned tree_max(input int unsigned  n, input int unsigned  max, input int unsigned  shift);
		automatic int unsigned  sum = 0;
		for(int unsigned  i = 0; i < n; i++)  sum += max << i*shift;
		return  sum;
	endfunction : tree_max

	// DSP slices, numbered as in FINN's mvu.sv: 1 DSP48E1, 2 DSP48E2, 3 DSP58. Bits of the inputs of the
	// multiplier, for weights and for activations, and of the sum
	function automatic int unsigned dsp_w_bits(input int unsigned  version);
		return  version == 1? 25 : 27;
	endfunction : dsp_w_bits
	function automatic int unsigned dsp_a_bits(input int unsigned  version);
		return  version == 3? 24 : 18;
	endfunction : dsp_a_bits
	function automatic int unsigned dsp_p_bits(input int unsigned  version);
		return  version == 3? 58 : 48;
	endfunction : dsp_p_bits

	// Position in its chain of the slice of lane l in imec_dot_dsp, counted from the first slice of
	// the longest chain. All chains end at the same position, with the lowest lanes. step: lanes from a
	// slice to the next one of its chain, CHAINS*LANES.
	function automatic int unsigned place(input int unsigned  simd, input int unsigned  step, input int unsigned  l);
		return  (simd - 1)/step - l/step;
	endfunction : place

	// Steps by which the weights of lane l arrive after its activation
	function automatic int unsigned weight_delay(input int unsigned  simd, input int unsigned  step, input int unsigned  l);
		return  place(simd, step, l)/2 * 2;
	endfunction : weight_delay

	// Number of lanes, the lowest, with a weight_delay above 2*part; all for part -1
	function automatic int unsigned lanes_below(input int unsigned  simd, input int unsigned  step, input int  part);
		automatic int  n = (int'(place(simd, step, 0)) - 1 - 2*part) * int'(step);
		return  n < 0? 0 : n < int'(simd)? 32'(n) : simd;
	endfunction : lanes_below

	// Steps from the activations of a word to its dot products: first slice, cascade, sum of chains
	function automatic int unsigned dsp_steps(input int unsigned  simd, input int unsigned  chains, input int unsigned  lanes);
		return  3 + place(simd, chains*lanes, 0) + ($clog2(chains) + 1)/2;
	endfunction : dsp_steps

	// Registers of dot products in LUTs, see imec_dot_heap: between counters, before and behind the last addition
	function automatic bit has_middle(input int unsigned  pipeline);
		return  pipeline == 2 || pipeline > 3;
	endfunction : has_middle
	function automatic bit has_rows(input int unsigned  pipeline);
		return  pipeline > 2;
	endfunction : has_rows
	function automatic bit has_sum(input int unsigned  pipeline);
		return  pipeline == 1 || pipeline == 2 || pipeline > 4;
	endfunction : has_sum

	// Steps from the operands of a word to its dot products in LUTs
	function automatic int unsigned lut_steps(input int unsigned  pipeline);
		return  32'(has_middle(pipeline)) + 32'(has_rows(pipeline)) + 32'(has_sum(pipeline));
	endfunction : lut_steps

	// Steps from the activations of a word to its dot products in imec_mac
	function automatic int unsigned mac_steps(input bit  dsp, input int unsigned  simd, input int unsigned  chains, input int unsigned  lanes, input int unsigned  pipeline);
		return  dsp? dsp_steps(simd, chains, lanes) : lut_steps(pipeline);
	endfunction : mac_steps

endpackage : imec_pkg
