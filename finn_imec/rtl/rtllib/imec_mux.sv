/****************************************************************************
 * @brief	Multiplexer of N words.
 *
 * @description
 *	q = d[sel], in LUT6 that each select one of four bits. Synthesis alone would take at
 *	least two LUTs for that. MUXF7 and MUXF8 of the slice join four of them; beyond
 *	16 words, a multiplexer of the words so selected follows.
 *
 *	  d[3:0]   -->| LUT6 |--+
 *	  d[7:4]   -->| LUT6 |--+-- F7 --+
 *	  d[11:8]  -->| LUT6 |--+        +-- F8 --> q[b]
 *	  d[15:12] -->| LUT6 |--+-- F7 --+
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

	if(N == 1)  assign  q = d[0];
	else if(N == 2 || PRIMITIVES == BEHAVIOR)  assign  q = d[sel];
	else if(N <= 16) begin : genSlice
		localparam int unsigned  GROUPS = (N+3)/4;
		uwire [15:0][WIDTH-1:0]  x = (16*WIDTH)'(d);
		uwire [3:0]  index = 4'(sel);
		for(genvar  b = 0; b < WIDTH; b++) begin : genBit
			uwire [GROUPS-1:0]  group;
			for(genvar  g = 0; g < GROUPS; g++) begin : genGroup
				imec_lut6 #(.INIT(64'hFF00_F0F0_CCCC_AAAA), .PRIMITIVES(PRIMITIVES)) pick(
					.i({ index[1:0], x[4*g+3][b], x[4*g+2][b], x[4*g+1][b], x[4*g][b] }), .o(group[g])
				);
			end : genGroup
			imec_muxf #(.N(GROUPS), .PRIMITIVES(PRIMITIVES)) joined(.sel(index[3:2]), .d(group), .q(q[b]));
		end : genBit
	end : genSlice
	else begin : genSlices
		localparam int unsigned  SLICES = (N+15)/16;
		uwire [SLICES-1:0][WIDTH-1:0]  picked;
		for(genvar  s = 0; s < SLICES; s++) begin : genSlice
			localparam int unsigned  EACH = N - 16*s < 16? N - 16*s : 16;
			localparam int unsigned  EACH_BITS = EACH > 1? $clog2(EACH) : 1;
			imec_mux #(.N(EACH), .WIDTH(WIDTH), .PRIMITIVES(PRIMITIVES)) pick(
				.sel(sel[EACH_BITS-1:0]), .d(d[16*s +: EACH]), .q(picked[s])
			);
		end : genSlice
		imec_mux #(.N(SLICES), .WIDTH(WIDTH), .PRIMITIVES(PRIMITIVES)) level(.sel(sel[BITS-1:4]), .d(picked), .q);
	end : genSlices

endmodule : imec_mux
