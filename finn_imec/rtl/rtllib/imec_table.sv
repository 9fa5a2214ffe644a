/****************************************************************************
 * @brief	Read-only memory in LUTs, combinational.
 *
 * @description
 *	q = TABLE[addr][LSB +: WIDTH]
 *
 *	Up to 16 words are logic, in which synthesis finds bits in common. Beyond, an output
 *	bit takes one LUT6 for each 64 words, which MUXF7 and MUXF8 of the slice join:
 *
 *	  addr[5:0] ->| LUT6 |--+
 *	  addr[5:0] ->| LUT6 |--+-- F7 --+
 *	  addr[5:0] ->| LUT6 |--+        +-- F8 --> q[b]
 *	  addr[5:0] ->| LUT6 |--+-- F7 --+
 *
 *	More than 256 words are up to four such slices and a multiplexer behind them.
 *
 *	Written as a memory, its logic would be mixed with what reads it.
 *
 *	Has at most 1024 words; does not check that addr is below ROWS.
 ***************************************************************************/
module imec_table import imec_pkg::*; #(
	int unsigned  ROWS,
	int unsigned  TABLE_WIDTH,
	logic [ROWS-1:0][TABLE_WIDTH-1:0]  TABLE,
	int unsigned  LSB = 0,
	int unsigned  WIDTH = TABLE_WIDTH,
	int unsigned  PRIMITIVES = XILINX,

	localparam int unsigned  BITS = ROWS > 1? $clog2(ROWS) : 1
)(
	input	logic [BITS-1:0]  addr,
	output	logic [WIDTH-1:0]  q
);
	if(ROWS > 1024)  $error("ROWS=%0d must be at most 1024.", ROWS);
	if(LSB + WIDTH > TABLE_WIDTH)  $error("LSB=%0d and WIDTH=%0d exceed TABLE_WIDTH=%0d.", LSB, WIDTH, TABLE_WIDTH);

	// Bit b of the words from 64*g on
	function automatic logic [63:0] column(input int unsigned  g, input int unsigned  b);
		column = '0;
		for(int unsigned  i = 0; i < 64; i++) begin
			if(64*g + i < ROWS)  column[i] = TABLE[64*g + i][LSB + b];
		end
	endfunction : column

	if(ROWS <= 16 || PRIMITIVES == BEHAVIOR) begin : genLogic
		assign	q = TABLE[addr][LSB +: WIDTH];
	end : genLogic
	else if(ROWS <= 256) begin : genLuts
		localparam int unsigned  GROUPS = (ROWS + 63) / 64;
		uwire [7:0]  index = 8'(addr);
		for(genvar  b = 0; b < WIDTH; b++) begin : genBit
			uwire [GROUPS-1:0]  word;
			for(genvar  g = 0; g < GROUPS; g++) begin : genGroup
				imec_lut6 #(.INIT(column(g, b)), .PRIMITIVES(PRIMITIVES)) lut(.i(index[5:0]), .o(word[g]));
			end : genGroup
			imec_muxf #(.N(GROUPS), .PRIMITIVES(PRIMITIVES)) pick(.sel(index[7:6]), .d(word), .q(q[b]));
		end : genBit
	end : genLuts
	else begin : genSlices
		localparam int unsigned  SLICES = (ROWS + 255) / 256;
		uwire [9:0]  index = 10'(addr);
		for(genvar  b = 0; b < WIDTH; b++) begin : genBit
			uwire [SLICES-1:0]  slice;
			for(genvar  s = 0; s < SLICES; s++) begin : genSlice
				localparam int unsigned  LEFT = (ROWS - 256*s + 63) / 64;
				localparam int unsigned  GROUPS = LEFT < 4? LEFT : 4;
				uwire [GROUPS-1:0]  word;
				for(genvar  g = 0; g < GROUPS; g++) begin : genGroup
					imec_lut6 #(.INIT(column(4*s + g, b)), .PRIMITIVES(PRIMITIVES)) lut(.i(index[5:0]), .o(word[g]));
				end : genGroup
				imec_muxf #(.N(GROUPS), .PRIMITIVES(PRIMITIVES)) pick(.sel(index[7:6]), .d(word), .q(slice[s]));
			end : genSlice
			assign	q[b] = slice[index[8 +: $clog2(SLICES)]];
		end : genBit
	end : genSlices

endmodule : imec_table
