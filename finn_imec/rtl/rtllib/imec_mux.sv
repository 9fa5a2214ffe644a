/****************************************************************************
 * @brief	Multiplexer of N words.
 *
 * @description
 *	q = d[sel], in levels of LUT6 that each select one of four bits. Synthesis alone
 *	would take at least two LUTs for that.
 *
 *	Combinational; does not check that sel is below N.
 ***************************************************************************/
module imec_mux import imec_pkg::*; #(
	int unsigned  N,
	int unsigned  WIDTH,
	int unsigned  PRIMITIVES = XILINX,

	localparam int unsigned  BITS = N > 1? $clog2(N) : 1
)(
	input	logic [BITS-1:0]  sel,
	input	logic [N-1:0][WIDTH-1:0]  d,
	output	logic [WIDTH-1:0]  q
);
	if(N < 1)  $error("N=%0d must be at least 1.", N);

	localparam int unsigned  GROUPS = (N+3)/4;
	if(N == 1)  assign  q = d[0];
	else if(N == 2 || PRIMITIVES == BEHAVIOR)  assign  q = d[sel];
	else begin : genLevel
		uwire [GROUPS-1:0][WIDTH-1:0]  group;
		for(genvar  g = 0; g < GROUPS; g++) begin : genGroup
			localparam int unsigned  LEFT = N - 4*g;
			if(LEFT < 3)  imec_mux #(.N(LEFT), .WIDTH(WIDTH), .PRIMITIVES(PRIMITIVES)) pick(.sel(sel[0]), .d(d[4*g +: LEFT]), .q(group[g]));
			else begin : genPick
				for(genvar  b = 0; b < WIDTH; b++) begin : genBit
					imec_lut6 #(.INIT(64'hFF00_F0F0_CCCC_AAAA), .PRIMITIVES(PRIMITIVES)) pick(
						.i({ sel[1:0], LEFT > 3 && d[4*g + (LEFT > 3? 3 : 0)][b], d[4*g+2][b], d[4*g+1][b], d[4*g][b] }),
						.o(group[g][b])
					);
				end : genBit
			end : genPick
		end : genGroup
		if(GROUPS == 1)  assign  q = group[0];
		else  imec_mux #(.N(GROUPS), .WIDTH(WIDTH), .PRIMITIVES(PRIMITIVES)) level(.sel(sel[BITS-1:2]), .d(group), .q);
	end : genLevel

endmodule : imec_mux
