// imec_convert is a stream already.
module imec_convert_tb #(
	int unsigned  IN,
	int unsigned  OUT,
	int unsigned  BITS
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [IN*BITS-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [OUT*BITS-1:0]  out0_V_TDATA
);
	imec_convert #(.IN(IN), .OUT(OUT), .BITS(BITS)) dut(
		.clk(ap_clk), .rst(!ap_rst_n),
		.ivld(in0_V_TVALID), .irdy(in0_V_TREADY), .idat(in0_V_TDATA),
		.ovld(out0_V_TVALID), .ordy(out0_V_TREADY), .odat(out0_V_TDATA)
	);

endmodule : imec_convert_tb
