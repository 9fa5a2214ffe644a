/****************************************************************************
 * @brief	Types and constant functions that several modules share.
 ***************************************************************************/
package imec_pkg;

	// Number of bits of each weight in a heap, weight 2^c in column c
	localparam int unsigned  MAX_COLS = 40;
	typedef bit [MAX_COLS-1:0][15:0]  heights_t;

	// Bits in the columns below c
	function automatic int unsigned bits_below(input heights_t  height, input int unsigned  c);
		automatic int unsigned  n = 0;
		for(int unsigned  i = 0; i < c; i++)  n += 32'(height[i]);
		return  n;
	endfunction : bits_below

endpackage : imec_pkg
