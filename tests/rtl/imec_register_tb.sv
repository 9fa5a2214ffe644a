// imec_register is a stream already.
module imec_register_tb #(
	int unsigned  WIDTH
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [WIDTH-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [WIDTH-1:0]  out0_V_TDATA
);
	imec_register #(.WIDTH(WIDTH)) dut(
		.clk(ap_clk), .rst(!ap_rst_n),
		.ivld(in0_V_TVALID), .irdy(in0_V_TREADY), .idat(in0_V_TDATA),
		.ovld(out0_V_TVALID), .ordy(out0_V_TREADY), .odat(out0_V_TDATA)
	);

endmodule : imec_register_tb
