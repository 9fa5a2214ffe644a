/****************************************************************************
 * @brief	Types and constant functions that several modules share.
 ***************************************************************************/
package imec_pkg;

	// Number of bits of each weight in a heap, weight 2^c in column c
	localparam int unsigned  MAX_COLS = 40;
	typedef bit [MAX_COLS-1:0][15:0]  heights_t;

	// Bits in the columns below c
	function automatic int unsigned bits_below(input heights_t  height, input int unsigned  c);
		bits_below = 0;
		for(int unsigned  i = 0; i < c; i++)  bits_below += 32'(height[i]);
	endfunction : bits_below

endpackage : imec_pkg
