// imec_heap_sum as a stream: d in, y out.
module imec_heap_sum_tb #(
	int unsigned  PRIMITIVES = 0,
	int unsigned  N,
	int unsigned  BITS,
	localparam int unsigned  Y_BITS = BITS + $clog2(N)
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [N*BITS-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [Y_BITS-1:0]  out0_V_TDATA
);
	localparam int unsigned  STEPS = ($clog2(N) + 1) / 2;
	uwire [STEPS:0]  vld;
	uwire  en = !vld[STEPS] || out0_V_TREADY;
	assign	vld[0] = in0_V_TVALID;
	if(STEPS > 0) begin : genSteps
		logic [STEPS-1:0]  Vld = 0;
		always_ff @(posedge ap_clk) begin
			if(!ap_rst_n)  Vld <= 0;
			else if(en)    Vld <= vld[STEPS-1:0];
		end
		assign	vld[STEPS:1] = Vld;
	end : genSteps
	assign	out0_V_TVALID = vld[STEPS];
	assign	in0_V_TREADY = STEPS > 0? en : out0_V_TREADY;

	imec_heap_sum #(.PRIMITIVES(PRIMITIVES), .N(N), .BITS(BITS)) dut(.clk(ap_clk), .en, .d(in0_V_TDATA), .y(out0_V_TDATA));

endmodule : imec_heap_sum_tb
