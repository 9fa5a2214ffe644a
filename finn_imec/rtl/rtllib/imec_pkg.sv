/****************************************************************************
 * @brief	Types and constant functions that several modules share.
 ***************************************************************************/
package imec_pkg;

	// PRIMITIVES of a module: its formula, fast to simulate; its structure, for any FPGA; its structure
	// in Xilinx' LUT6, LUT6_2, MUXF7, MUXF8 and DSP48E1
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
	function automatic longint unsigned tree_max(input int unsigned  n, input longint unsigned  max, input int unsigned  shift);
		automatic longint unsigned  sum = 0;
		for(int unsigned  i = 0; i < n; i++)  sum += max << i*shift;
		return  sum;
	endfunction : tree_max

	// Position in its chain of the slice of lane l in imec_dot_dsp, counted from the first slice of
	// the longest chain. All chains end at the same position, with the lowest lanes.
	function automatic int unsigned place(input int unsigned  simd, input int unsigned  chains, input int unsigned  l);
		return  (simd - 1)/chains - l/chains;
	endfunction : place

	// Steps by which the weights of lane l arrive after its activation
	function automatic int unsigned weight_delay(input int unsigned  simd, input int unsigned  chains, input int unsigned  l);
		return  place(simd, chains, l)/2 * 2;
	endfunction : weight_delay

	// Number of lanes, the lowest, with a weight_delay above 2*part; all for part -1
	function automatic int unsigned lanes_below(input int unsigned  simd, input int unsigned  chains, input int  part);
		automatic int  n = (int'(place(simd, chains, 0)) - 1 - 2*part) * int'(chains);
		return  n < 0? 0 : n < int'(simd)? 32'(n) : simd;
	endfunction : lanes_below

	// Steps from the activations of a word to its dot products: first slice, cascade, sum of chains
	function automatic int unsigned dsp_steps(input int unsigned  simd, input int unsigned  chains);
		return  3 + place(simd, chains, 0) + ($clog2(chains) + 1)/2;
	endfunction : dsp_steps

	// Steps from the operands of a word to its dot products in LUTs
	function automatic int unsigned lut_steps(input int unsigned  pipeline);
		return  pipeline == 0? 1 : pipeline == 1? 2 : pipeline-1;	// registers of imec_dot_heap
	endfunction : lut_steps

	// Steps from the activations of a word to its dot products in imec_mac
	function automatic int unsigned mac_steps(input bit  dsp, input int unsigned  simd, input int unsigned  chains, input int unsigned  pipeline);
		return  dsp? dsp_steps(simd, chains) : lut_steps(pipeline);
	endfunction : mac_steps

endpackage : imec_pkg
