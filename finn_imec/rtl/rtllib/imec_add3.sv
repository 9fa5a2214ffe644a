/****************************************************************************
 * @brief	Sum of three words in one carry chain.
 *
 * @description
 *	y = a + b + c
 *
 *	One LUT a column: o5 is the carry of its three bits, which goes to the LUT of the next
 *	column; o6 is the sum of the three bits and of that carry.
 *
 *	             c b a       c b a
 *	             | | |       | | |
 *	           +-------+   +-------+
 *	    <--o5--|  LUT  |<--|  LUT  |<-- 0
 *	           +-------+   +-------+
 *	               |o6         |o6
 *	    <-------- carry <---- carry <-- 0
 *	               |           |
 *	               y           y
 *
 *	No o5 depends on the one before, but timing analysis sees a path through the LUT. Groups of
 *	GROUP columns end it, by default at most four: a LUT of its own computes the carry between two.
 *
 *	Combinational. The words are unsigned.
 ***************************************************************************/
module imec_add3 import imec_pkg::*; #(
	int unsigned  BITS,
	int unsigned  GROUP = BITS < 5? BITS : (BITS + (BITS + 1)/3 - 1) / ((BITS + 1)/3),	// columns
	int unsigned  PRIMITIVES = XILINX,

	localparam int unsigned  Y_BITS = BITS + 2
)(
	input	logic [BITS-1:0]  a,
	input	logic [BITS-1:0]  b,
	input	logic [BITS-1:0]  c,
	output	logic [Y_BITS-1:0]  y
);
	// Inputs from bit 0 on: three bits and the carry before; the last one is 1 for o6
	function automatic logic [63:0] full();
		automatic logic [63:0]  init;
		for(int unsigned  x = 0; x < 64; x++)  init[x] = x < 32? $countones(x & 7) > 1 : 1'($countones(x & 15));
		return  init;
	endfunction : full

	uwire [BITS:0]  propagate, carry;
	assign	carry[0] = 1'b0;
	for(genvar  i = 0; i < BITS; i++) begin : genColumn
		uwire  o5;
		imec_lut6x2 #(.INIT(full()), .PRIMITIVES(PRIMITIVES)) lut(
			.i({ 2'b10, carry[i], c[i], b[i], a[i] }), .o6(propagate[i]), .o5
		);
		if(i % GROUP != GROUP-1 || i == BITS-1)  assign  carry[i+1] = o5;
		else  assign  carry[i+1] = (a[i] & b[i]) | (a[i] & c[i]) | (b[i] & c[i]);
	end : genColumn
	assign	propagate[BITS] = carry[BITS];

	// verilator lint_off WIDTHEXPAND
	assign	y = carry + (carry ^ propagate);
	// verilator lint_on WIDTHEXPAND

endmodule : imec_add3
