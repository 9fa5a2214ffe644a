/****************************************************************************
 * @brief	Sum of three words in one carry chain, each SHIFT bits above the one before.
 *
 * @description
 *	y = a + (b << SHIFT) + (c << 2*SHIFT)
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
 *	at most four columns end it: a LUT of its own computes the carry between two.
 *
 *	Combinational. The words are unsigned.
 ***************************************************************************/
module imec_add3 import imec_pkg::*; #(
	int unsigned  BITS,
	int unsigned  SHIFT = 0,
	int unsigned  PRIMITIVES = XILINX,

	localparam int unsigned  Y_BITS = BITS + 2*SHIFT + 2
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

	localparam int unsigned  COLS   = BITS + SHIFT;	// from bit SHIFT on
	localparam int unsigned  FULL   = SHIFT == 0? BITS : BITS + 1;	// of them with a LUT
	localparam int unsigned  GROUPS = (FULL + 3) / 4;
	localparam int unsigned  GROUP  = (FULL + GROUPS-1) / GROUPS;
	uwire [COLS+SHIFT-1:0]  x = (COLS+SHIFT)'(a), z = (COLS+SHIFT)'(c) << 2*SHIFT;
	uwire [COLS-1:0]  above = x[SHIFT +: COLS], middle = COLS'(b), top = z[SHIFT +: COLS];
	uwire [COLS:0]  propagate, carry;
	assign	carry[0] = 1'b0;
	for(genvar  i = 0; i < COLS; i++) begin : genColumn
		if(i >= FULL) begin : genTop	// of c alone
			assign	propagate[i] = top[i];
			assign	carry[i+1] = 1'b0;
		end : genTop
		else begin : genFull
			uwire  o5;
			imec_lut6x2 #(.INIT(full()), .PRIMITIVES(PRIMITIVES)) lut(
				.i({ 2'b10, carry[i], top[i], middle[i], above[i] }), .o6(propagate[i]), .o5
			);
			if(i % GROUP != GROUP-1 || i == FULL-1)  assign  carry[i+1] = o5;
			else  assign  carry[i+1] = (above[i] & middle[i]) | (above[i] & top[i]) | (middle[i] & top[i]);
		end : genFull
	end : genColumn
	assign	propagate[COLS] = carry[COLS];

	uwire [COLS+1:0]  sum = carry + (carry ^ propagate);
	if(SHIFT == 0)  assign  y = sum;
	else            assign  y = { sum, a[SHIFT-1:0] };

endmodule : imec_add3
