// Dynamic reads of unpacked arrays ($bmux, as read_slang emits them), one output bit at a time as
// $shiftx in the order of the array's index: the form in which Yosys' SRL inference finds an
// addressable shift register. For an ascending array [0:N-1], read_slang stores element 0 highest
// and inverts the index; such cells come here renamed to bmux_ascending, and are turned round.

(* techmap_celltype = "$bmux bmux_ascending" *)
module bmux_to_shiftx (A, S, Y);
	parameter WIDTH = 1;
	parameter S_WIDTH = 1;
	parameter _TECHMAP_CELLTYPE_ = "";
	input  [(WIDTH << S_WIDTH)-1:0] A;
	input  [S_WIDTH-1:0] S;
	output [WIDTH-1:0] Y;

	localparam ENTRIES = 1 << S_WIDTH;
	localparam ASCENDING = _TECHMAP_CELLTYPE_ == "bmux_ascending";
	genvar i, j;
	generate
		for (i = 0; i < WIDTH; i = i + 1) begin : column
			wire [ENTRIES-1:0] entries;
			for (j = 0; j < ENTRIES; j = j + 1) begin : entry
				assign entries[j] = A[(ASCENDING ? ENTRIES-1-j : j)*WIDTH + i];
			end
			\$shiftx #(
				.A_SIGNED(0), .B_SIGNED(0), .A_WIDTH(ENTRIES), .B_WIDTH(S_WIDTH), .Y_WIDTH(1)
			) read (.A(entries), .B(ASCENDING ? ~S : S), .Y(Y[i]));
		end
	endgenerate
endmodule
