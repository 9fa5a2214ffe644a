// imec_delay as a stream: d in, d from STEPS words before out.
module imec_delay_tb #(
	int unsigned  WIDTH,
	int unsigned  STEPS
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
	assign	in0_V_TREADY  = out0_V_TREADY;
	assign	out0_V_TVALID = in0_V_TVALID;

	imec_delay #(.WIDTH(WIDTH), .STEPS(STEPS)) dut(
		.clk(ap_clk), .en(in0_V_TVALID && in0_V_TREADY), .d(in0_V_TDATA), .q(out0_V_TDATA)
	);

endmodule : imec_delay_tb
