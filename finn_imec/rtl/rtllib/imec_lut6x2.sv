/****************************************************************************
 * @brief	One look-up table with both of its outputs.
 *
 * @description
 *	o6 = INIT[i]
 *	o5 = INIT[i[4:0]]
 *
 *	       +---------------+
 *	  i -->| upper | lower |--> o6 = i[5]? upper : lower
 *	       +---------------+--> o5 = lower
 *
 *	A primitive if PRIMITIVES is XILINX, because synthesis would otherwise take two LUTs.
 *
 *	Does not compute two functions of six inputs: both are equal while i[5] is 0.
 ***************************************************************************/
module imec_lut6x2 import imec_pkg::*; #(
	logic [63:0]  INIT,
	int unsigned  PRIMITIVES = XILINX
)(
	input	logic [5:0]  i,
	output	logic  o6,
	output	logic  o5
);
	if(PRIMITIVES == XILINX) begin : genXilinx
		LUT6_2 #(.INIT(INIT)) lut(.I0(i[0]), .I1(i[1]), .I2(i[2]), .I3(i[3]), .I4(i[4]), .I5(i[5]), .O6(o6), .O5(o5));
	end : genXilinx
	else begin : genAny
		assign	o6 = INIT[i];
		assign	o5 = INIT[{ 1'b0, i[4:0] }];
	end : genAny

endmodule : imec_lut6x2
