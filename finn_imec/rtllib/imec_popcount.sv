/****************************************************************************
 * @brief	Number of ones among N bits.
 *
 * @description
 *	Groups of GROUP bits are counted by one LUT level each, 3:2 or 6:3; equal
 *	binary weights of the group counts are then counted again:
 *
 *	  y = popcount(ones) + 2*popcount(twos) + 4*popcount(fours)
 *
 *	GROUP = 3 suits inputs that are themselves functions of two signals, since
 *	three of those fill a 6-input LUT; below the first level it is always 6.
 *
 *	Combinational; does not register anything.
 ***************************************************************************/
module imec_popcount #(
	int unsigned  N,
	int unsigned  GROUP = 6,	// 3 or 6

	localparam int unsigned  BITS = $clog2(N+1)
)(
	input	logic [N-1:0]  d,
	output	logic [BITS-1:0]  y
);
	initial begin
		if(N < 1)  $error("%m: N=%0d must be at least 1.", N);
		if(GROUP != 3 && GROUP != 6)  $error("%m: GROUP=%0d must be 3 or 6.", GROUP);
	end

	// 3:2 and 6:3 counters
	function logic [1:0] count3(input logic [2:0]  x);
		return  { (x[0] & x[1]) | (x[1] & x[2]) | (x[0] & x[2]), ^x };
	endfunction : count3
	function logic [2:0] count6(input logic [5:0]  x);
		automatic logic [1:0]  a = count3(x[2:0]);
		automatic logic [1:0]  b = count3(x[5:3]);
		return  { count3({ a[1], b[1], a[0] & b[0] }), a[0] ^ b[0] };
	endfunction : count6

	if(N <= GROUP) begin : genLeaf
		uwire [2:0]  y0 = count6(6'(d));
		assign	y = BITS'(y0);
	end : genLeaf
	else begin : genTree
		localparam int unsigned  G = (N + GROUP-1) / GROUP;
		uwire [G*GROUP-1:0]  x = (G*GROUP)'(d);
		uwire [G-1:0]  ones;
		uwire [G-1:0]  twos;
		uwire [G-1:0]  fours;
		for(genvar  i = 0; i < G; i++) begin : genGroup
			if(GROUP == 3)  assign { fours[i], twos[i], ones[i] } = { 1'b0, count3(x[3*i +: 3]) };
			else            assign { fours[i], twos[i], ones[i] } = count6(x[6*i +: 6]);
		end : genGroup

		localparam int unsigned  B = $clog2(G+1);
		uwire [B-1:0]  n1;
		uwire [B-1:0]  n2;
		imec_popcount #(.N(G)) count1(.d(ones), .y(n1));
		imec_popcount #(.N(G)) count2(.d(twos), .y(n2));
		if(GROUP == 3) begin : genSum2
			assign	y = BITS'(n1) + BITS'({ n2, 1'b0 });
		end : genSum2
		else begin : genSum3
			uwire [B-1:0]  n4;
			imec_popcount #(.N(G)) count4(.d(fours), .y(n4));
			assign	y = BITS'(n1) + BITS'({ n2, 1'b0 }) + BITS'({ n4, 2'b00 });
		end : genSum3
	end : genTree

endmodule : imec_popcount
