/****************************************************************************
 * @brief	One 6-input look-up table.
 *
 * @description
 *	o = INIT[i]
 *
 *	A primitive if PRIMITIVES is XILINX, because synthesis would otherwise share the partial products before
 *	a counter instead of filling a LUT6 with three of them, and take 1.5 times as
 *	many LUTs.
 *
 *	Does not use the second output of the LUT.
 ***************************************************************************/
module imec_lut6 import imec_pkg::*; #(
	logic [63:0]  INIT,
	int unsigned  PRIMITIVES = XILINX
)(
	input	logic [5:0]  i,
	output	logic  o
);
	if(PRIMITIVES == XILINX) begin : genXilinx
		LUT6 #(.INIT(INIT)) lut(.I0(i[0]), .I1(i[1]), .I2(i[2]), .I3(i[3]), .I4(i[4]), .I5(i[5]), .O(o));
	end : genXilinx
	else begin : genAny
		assign	o = INIT[i];
	end : genAny

endmodule : imec_lut6
