// Maps dynamic reads of unpacked arrays ($bmux from read_slang) to one $shiftx per output bit, in the
// order of the array's index. In this form Yosys' SRL inference recognizes an addressable shift
// register. For an ascending array [0:N-1], read_slang stores element 0 highest and inverts the
// index; such cells arrive renamed to bmux_ascending, and their order is reversed.
//
// Wide words are split first: Yosys elaborates a generate loop in time quadratic in its length.

(* techmap_celltype = "$bmux bmux_ascending" *)
module bmux_to_shiftx (A, S, Y);
	parameter WIDTH = 1;
	parameter S_WIDTH = 1;
	parameter _TECHMAP_CELLTYPE_ = "";
	input  [(WIDTH << S_WIDTH)-1:0] A;
	input  [S_WIDTH-1:0] S;
	output [WIDTH-1:0] Y;

	localparam LOOP_WIDTH = 64;
	localparam ENTRIES = 1 << S_WIDTH;
	localparam ASCENDING = _TECHMAP_CELLTYPE_ == "bmux_ascending";
	localparam LOW = WIDTH / 2;
	localparam HIGH = WIDTH - LOW;
	wire [S_WIDTH-1:0] index = ASCENDING ? ~S : S;
	genvar i, j;
	generate
		if (WIDTH > LOOP_WIDTH) begin : halves
			wire [LOW*ENTRIES-1:0] low;
			wire [HIGH*ENTRIES-1:0] high;
			for (j = 0; j < ENTRIES; j = j + 1) begin : entry
				assign {high[j*HIGH +: HIGH], low[j*LOW +: LOW]}
					= A[(ASCENDING ? ENTRIES-1-j : j)*WIDTH +: WIDTH];
			end
			\$bmux #(.WIDTH(LOW), .S_WIDTH(S_WIDTH)) low_half (.A(low), .S(index), .Y(Y[LOW-1:0]));
			\$bmux #(.WIDTH(HIGH), .S_WIDTH(S_WIDTH)) high_half (.A(high), .S(index), .Y(Y[WIDTH-1:LOW]));
		end
		else for (i = 0; i < WIDTH; i = i + 1) begin : column
			wire [ENTRIES-1:0] entries;
			for (j = 0; j < ENTRIES; j = j + 1) begin : entry
				assign entries[j] = A[(ASCENDING ? ENTRIES-1-j : j)*WIDTH + i];
			end
			\$shiftx #(
				.A_SIGNED(0), .B_SIGNED(0), .A_WIDTH(ENTRIES), .B_WIDTH(S_WIDTH), .Y_WIDTH(1)
			) read (.A(entries), .B(index), .Y(Y[i]));
		end
	endgenerate
endmodule
