// Maps $add and $sub to one $alu each, before Yosys merges chains of them into $macc.
(* techmap_celltype = "$add $sub" *)
module add_to_alu (A, B, Y);
	parameter A_SIGNED = 0;
	parameter B_SIGNED = 0;
	parameter A_WIDTH = 1;
	parameter B_WIDTH = 1;
	parameter Y_WIDTH = 1;
	parameter _TECHMAP_CELLTYPE_ = "";
	input  [A_WIDTH-1:0] A;
	input  [B_WIDTH-1:0] B;
	output [Y_WIDTH-1:0] Y;

	wire subtract = _TECHMAP_CELLTYPE_ == "$sub";
	wire [Y_WIDTH-1:0] propagate, carry;
	\$alu #(
		.A_SIGNED(A_SIGNED), .B_SIGNED(B_SIGNED),
		.A_WIDTH(A_WIDTH), .B_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)
	) alu (.A(A), .B(B), .CI(subtract), .BI(subtract), .Y(Y), .X(propagate), .CO(carry));
endmodule
